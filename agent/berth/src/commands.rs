//! The commands.

mod boot;
mod gate;
mod man;
mod page;
mod plan;
mod release;
mod slot;
mod status;

use crate::cli::{Cli, Command};
use crate::host::config_files;
use berth_plan::config::Config;
use berth_plan::outcome::EXIT_CONFIGURATION;
use clap::CommandFactory;

/// Runs a command; its exit code.
pub(crate) async fn run(cli: Cli) -> u8 {
    match &cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "berth", &mut std::io::stdout());
            return 0;
        }
        Command::Man => return man::man(),
        _ => {}
    }
    let config = match config_files::load(&cli.config) {
        Ok(config) => config,
        Err(sentence) => {
            if matches!(cli.command, Command::Boot { .. }) {
                boot::unconfigured(&sentence).await;
            }
            return failed(&sentence, EXIT_CONFIGURATION);
        }
    };
    with(config, cli.command).await
}

async fn with(config: Config, command: Command) -> u8 {
    match command {
        Command::Boot { again } => boot::boot(config, again).await,
        Command::Release(args) => release::release(config, args).await,
        Command::Gate => gate::gate(&config).await,
        Command::Plan { if_terminated, json } => {
            plan::plan(config, if_terminated.into_iter().collect(), json).await
        }
        Command::Slot { command } => slot::slot(config, command).await,
        Command::Status { json } => status::status(config, json).await,
        Command::Completions { .. } | Command::Man => 0,
    }
}

/// Says why, and gives the code back.
fn failed(sentence: &str, code: u8) -> u8 {
    eprintln!("berth: {sentence}");
    code
}
