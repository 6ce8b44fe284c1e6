//! `region`: serves a small EC2 region, or prints where its behaviour was read.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use region::wire::{Identify, Served};
use region::world::World;

/// A strict small EC2 region for tests.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a region until it is ended; its endpoints are one JSON line on stdout.
    ///
    /// Example: region serve --config tests/region/examples/one-slot.toml --imds 127.0.0.1:1338 --imds-as one
    Serve {
        /// The world to begin with (TOML); without it, an empty region.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where EC2, Auto Scaling and CloudFormation listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where the instance metadata service listens.
        #[arg(long)]
        imds: Option<SocketAddr>,
        /// The instance it speaks of, by id or by its name in the file; without it, the one with the peer's address.
        #[arg(long, requires = "imds")]
        imds_as: Option<String>,
    },
    /// Prints every refusal and delay with its source, and what is assumed.
    Sources,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let result = match Cli::parse().command {
        Command::Sources => {
            print!("{}", region::model::sources::print());
            Ok(())
        }
        Command::Serve { config, listen, imds, imds_as } => serve(config, listen, imds, imds_as),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("region: {message}");
            ExitCode::FAILURE
        }
    }
}

fn listener(at: SocketAddr) -> Result<(TcpListener, String), String> {
    let bound = TcpListener::bind(at).and_then(|listener| Ok((listener.local_addr()?, listener)));
    bound
        .map(|(address, listener)| (listener, format!("http://{address}")))
        .map_err(|e| format!("listen on {at}: {e}"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn serve(
    config: Option<PathBuf>,
    listen: SocketAddr,
    imds: Option<SocketAddr>,
    imds_as: Option<String>,
) -> Result<(), String> {
    let world = match &config {
        Some(path) => {
            let at = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| format!("read {at}: {error}"))?;
            World::parse(&text).map_err(|error| format!("{at}: {error}"))?
        }
        None => World::default(),
    };
    let (region, built) = world.build().map_err(|error| error.to_string())?;
    let settings = region.settings().clone();
    let vpc = region.vpc().to_owned();
    let served = Served::start(region);
    let (api, api_url) = listener(listen)?;
    let serving = served.serve_api(api);
    let mut imds_url = None;
    if let Some(at) = imds {
        let (socket, url) = listener(at)?;
        let identify = match imds_as {
            Some(name) => Identify::Always(built.instances.get(&name).cloned().unwrap_or(name)),
            None => Identify::ByAddress,
        };
        served.serve_imds(socket, identify);
        imds_url = Some(url);
    }
    let endpoints = serde_json::json!({
        "api": api_url, "imds": imds_url, "control": format!("{api_url}/_region/"), "region": settings.region,
        "account": settings.account, "access_key": settings.admin.access_key, "secret": settings.admin.secret,
        "vpc": vpc, "subnets": built.subnets, "instances": built.instances,
    });
    println!("{endpoints}");
    serving.await.map_err(|error| format!("serving ended: {error}"))
}
