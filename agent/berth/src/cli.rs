//! The command line.

use berth_plan::{BrokerId, InstanceId};
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
  berth boot                                  take a slot, bring it up, start the service, signal the outcome
  berth plan                                  what a boot would do now, and why; changes nothing
  berth plan --if-terminated i-0123456789abcdef0
  berth slot list                             who has which slot, and what is marked faulty
  berth status                                which broker this is, how it stands, and what to do next
  berth status --json                         the same with all records: slot, claim, holders, mount, routes, steps

Exit codes: 0 done, 1 failed, 70 a bug, 78 configuration, 143 ended by SIGTERM, 130 by Ctrl-C.";

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
    /// Show slots by their records, lift a fault, say that data is lost. Works on any machine that reaches ZooKeeper.
    Slot {
        /// What to do.
        #[command(subcommand)]
        command: SlotCommand,
    },
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// What is done with slots.
#[derive(Debug, Subcommand)]
pub(crate) enum SlotCommand {
    /// All slots that were ever claimed: who has each, for how long, and what is marked faulty.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// One slot: its claim, its broker, its fault.
    Show {
        /// Its number.
        slot: BrokerId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The last owners of a slot, oldest first, with the reasons.
    History {
        /// Its number.
        slot: BrokerId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lift the fault of a slot that was mended: the next instance that waits takes it.
    Clear {
        /// Its number.
        slot: BrokerId,
    },
    /// Say that the data of a slot is lost: its broker may begin with an empty log dir.
    ///
    /// It counts until the broker has registered once, and only while the cluster has a live leader elsewhere for every
    /// partition that names the broker; a boot waits for these leaders.
    Reset {
        /// Its number.
        slot: BrokerId,
        /// Also where no living broker has a partition in sync: its records are lost. Counts for the partitions that are
        /// listed, and for no other.
        #[arg(long)]
        accept_loss: bool,
    },
}
