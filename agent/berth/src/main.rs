//! berth gives an Auto Scaling instance its identity back.
//!
//! This crate holds the adapters (one file, one thing it talks to) and the commands; the decisions are in `berth-plan`,
//! the stories in `berth-lifecycle`.

mod aws;
mod claims;
mod cli;
mod commands;
mod host;
mod panics;
mod service;
mod units;
mod wiring;
mod zookeeper;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("BERTH_LOG")
        .unwrap_or_else(|_| "berth=info,berth_lifecycle=info,warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .init();
    panics::log_them();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("berth: start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(commands::run(cli));
    // What is still under way (a silent peer, a closing session) must not hold the exit.
    runtime.shutdown_background();
    ExitCode::from(code)
}
