//! The command line.

use berth_plan::{BrokerId, InstanceId};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Gives an Auto Scaling instance its identity back: the lowest free slot of its cluster, with that slot's network
/// interface and volume.
#[derive(Debug, Parser)]
#[command(name = "berth", version, max_term_width = 80, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    /// The configuration file; files of the directory beside it named <stem>.d are laid over it.
    #[arg(long, value_name = "FILE", default_value = "/etc/berth/berth.toml", global = true)]
    pub(crate) config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the examples of a help begin with.
pub(crate) const EXAMPLES_TITLE: &str = "Examples:";

const EXAMPLES: &str = "Examples:
  berth status                which broker this is, how it stands, what to do
  berth plan                  what a boot would do now, and why
  berth slot list             who has which slot, and what is marked faulty
  berth boot                  take a slot, start the service, say when ready
  berth release               stop the broker, give the slot back
  berth help slot reset       all about one command";

/// What the exit codes mean.
pub(crate) const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 70 a bug, 78 configuration, 143 ended by SIGTERM, 130 by Ctrl-C.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a slot of this zone, attach what belongs to it, start the service, and say when it is in sync.
    ///
    /// Safe to run again at any time: on an instance that has its slot it only reads.
    #[command(after_help = "Examples:
  systemctl start berth       as the unit runs it
  journalctl -fu berth        what it does and waits for
  berth boot                  by hand: waits for a run that goes on to end
  berth boot --again          on an instance that was released")]
    Boot {
        /// Also on an instance that was released: it takes a slot again.
        #[arg(long)]
        again: bool,
    },
    /// Let go of this instance's slot for good: wait until no partition needs its broker, stop it, give the slot back.
    ///
    /// Nothing is forced. Safe to run again: it goes on where the last run ended. The instance takes no slot again before
    /// its next kernel boot, or `berth boot --again`.
    #[command(after_help = "Examples:
  berth release --reason \"new instance type\"
  berth release --now         though partitions fall under min.insync.replicas
  berth release --stay        and take no slot after a reboot either")]
    Release(ReleaseArgs),
    /// Succeed only where this boot holds a settled slot: for ExecStartPre= of the service.
    #[command(after_help = "Examples:
  berth gate; echo $?         0: the service may start here; 1: why not")]
    Gate,
    /// Show what a boot would do now, and why. Changes nothing.
    ///
    /// It ends with the code that the boot would end with, where that is known already.
    #[command(after_help = "Examples:
  berth plan
  berth plan --if-terminated i-0123456789abcdef0
                              who would follow if that instance ended
  berth plan --json | jq -r '.slots[] | select(.vacant) | .id'
                              the vacant slots of this zone")]
    Plan {
        /// Look as if this instance were terminated; may be given several times.
        #[arg(long, value_name = "INSTANCE")]
        if_terminated: Vec<InstanceId>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what this instance has and what it waits for. Never waits long; a source that is away is named.
    #[command(after_help = "Examples:
  berth status                the answer first, the next thing to do last
  berth status --json         with all records: slot, claim, holders, mount,
                              routes, steps
  watch berth status          while it boots")]
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show slots by their records, lift a fault, say that data is lost. Works on any machine that reaches ZooKeeper.
    #[command(after_help = "Examples:
  berth slot list             who has which slot, and what is marked faulty
  berth slot history 3        who had slot 3, and why each left
  berth slot clear 3          slot 3 was mended")]
    Slot {
        /// What to do.
        #[command(subcommand)]
        command: SlotCommand,
    },
    /// Print a completion script.
    #[command(after_help = "Examples:
  berth completions bash >/etc/bash_completion.d/berth")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(after_help = "Examples:
  berth man >/usr/local/share/man/man1/berth.1; man berth")]
    Man,
}

/// How a slot is let go of.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// Why, for the slot's history.
    #[arg(long, value_name = "TEXT", default_value = "by an operator")]
    pub(crate) reason: String,
    /// Stop the broker though partitions fall under their min.insync.replicas by that.
    #[arg(long)]
    pub(crate) now: bool,
    /// Take no slot after a reboot either.
    #[arg(long)]
    pub(crate) stay: bool,
    /// How long all of it may take.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    pub(crate) within: Duration,
    /// For ExecStop= of a unit: release only where the machine is going down for good (poweroff, halt), and go at the end of
    /// the time though partitions need the broker.
    #[arg(long)]
    pub(crate) at_shutdown: bool,
}

/// What is done with slots.
#[derive(Debug, Subcommand)]
pub(crate) enum SlotCommand {
    /// All slots that were ever claimed: who has each, for how long, and what is marked faulty.
    #[command(after_help = "Examples:
  berth slot list
  berth slot list --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// One slot: its claim, its broker, its fault.
    #[command(after_help = "Examples:
  berth slot show 3")]
    Show {
        /// Its number.
        slot: BrokerId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The last owners of a slot, oldest first, with the reasons.
    #[command(after_help = "Examples:
  berth slot history 3")]
    History {
        /// Its number.
        slot: BrokerId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lift the fault of a slot that was mended: the next instance that waits takes it.
    #[command(after_help = "Examples:
  berth slot list             which slots are marked faulty, and why
  berth slot clear 3          once that was mended")]
    Clear {
        /// Its number.
        slot: BrokerId,
    },
    /// Say that the data of a slot is lost: its broker may begin with an empty log dir.
    ///
    /// It counts until the broker has registered once, and only while the cluster has a live leader elsewhere for every
    /// partition that names the broker; a boot waits for these leaders.
    #[command(after_help = "Examples:
  berth slot reset 3
  berth slot reset 3 --accept-loss")]
    Reset {
        /// Its number.
        slot: BrokerId,
        /// Also where no living broker has a partition in sync: its records are lost. Counts for the partitions that are
        /// listed, and for no other.
        #[arg(long)]
        accept_loss: bool,
    },
}
