//! The command line.

use berth_plan::InstanceId;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Gives an Auto Scaling instance its identity back: the lowest free slot of its cluster, with that slot's network
/// interface and volume.
#[derive(Debug, Parser)]
#[command(name = "berth", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// The configuration file; files of the directory beside it named <stem>.d are laid over it.
    #[arg(long, value_name = "FILE", default_value = "/etc/berth/berth.toml", global = true)]
    pub(crate) config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  berth boot                                  take a slot, bring it up, start the service, tell the truth
  berth plan                                  what a boot would do now, and why; changes nothing
  berth plan --if-terminated i-0123456789abcdef0
  berth status --json                         slot, claim, holders, mount, routes, service, what is awaited

Exit codes: 0 done, 1 failed, 78 configuration.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a slot of this zone, attach what belongs to it, start the service, and say when it is in sync.
    ///
    /// Safe to run again at any time: on an instance that has its slot it only reads.
    Boot,
    /// Succeed only where this boot holds a settled slot: for ExecStartPre= of the service.
    Gate,
    /// Show what a boot would do now, and why. Changes nothing.
    Plan {
        /// Look as if this instance were terminated; may be given several times.
        #[arg(long, value_name = "INSTANCE")]
        if_terminated: Vec<InstanceId>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what this instance has and what it waits for. Never waits long; a source that is away is named.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}
