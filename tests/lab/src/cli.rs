//! The command line of the lab, and what each command does from start to clean end.

use std::future::Future;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Context, Error, Result};
use crate::lab_run::{InstanceInfo, LabRun};
use crate::scenario::Scenario;
use crate::story::Story;
use crate::{demo, ledger, play};

/// Instances as namespaces on one machine: a VPC, EBS, IMDS, systemd, ZooKeeper and Kafka around the built program.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    after_help = "Needs root. Examples:\n  lab demo\n  lab run tests/scenarios/herd.toml\n  lab up &  lab shell b1"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Three brokers boot, one is lost, and comes back as itself; fails unless everything holds.
    Demo,
    /// Play a scenario.
    Run {
        /// The scenario file; tests/lab/README.md documents every key.
        scenario: PathBuf,
        /// Keep logs and journal even when it holds.
        #[arg(long)]
        keep: bool,
    },
    /// Thirty instances boot at once for thirty slots, run after run; in every second one ZooKeeper's leader is killed.
    Herd {
        /// How many runs.
        #[arg(long, default_value_t = 3)]
        runs: usize,
        /// Keep the records of runs that hold, too.
        #[arg(long)]
        keep: bool,
    },
    /// Start a lab and leave it running until Ctrl-C.
    Up {
        /// What exists; its steps are not played. The demo's by default.
        scenario: Option<PathBuf>,
    },
    /// A shell inside an instance of a running lab.
    Shell {
        /// A label (b1), an instance id or a part of one.
        instance: String,
        /// The lab, when several run.
        #[arg(long)]
        lab: Option<String>,
        /// A command instead of a shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Take down what labs that were killed have left.
    Clean,
    /// PID 1 of an instance.
    #[command(hide = true)]
    Init {
        #[arg(long)]
        pid1: bool,
        spec: PathBuf,
    },
    /// A broker that only registers.
    #[command(hide = true)]
    StubBroker { properties: PathBuf },
    /// Print ZooKeeper nodes as JSON.
    #[command(hide = true)]
    Znodes { cluster: String, paths: Vec<String> },
    /// Write a ZooKeeper node.
    #[command(hide = true)]
    Znode { cluster: String, path: String, data: String },
}

/// Runs the command line; answers the exit status.
pub fn main() -> i32 {
    let done = match Line::parse().command {
        Command::Init { pid1: true, spec } => crate::guest::pid1::inner(&spec).map(|()| 1),
        Command::Init { pid1: false, spec } => crate::guest::pid1::outer(&spec),
        Command::Demo => with_runtime(demo_command()),
        Command::Run { scenario, keep } => with_runtime(run_command(scenario, keep)),
        Command::Herd { runs, keep } => with_runtime(herd_command(runs, keep)),
        Command::Up { scenario } => with_runtime(up_command(scenario)),
        Command::Shell { instance, lab, command } => shell(&instance, lab.as_deref(), &command),
        Command::Clean => ledger::clean_abandoned().map(|cleaned| {
            println!(
                "{}",
                if cleaned.is_empty() {
                    "nothing to clean".into()
                } else {
                    format!("cleaned {}", cleaned.join(", "))
                }
            );
            0
        }),
        Command::StubBroker { properties } => {
            with_runtime(async move { crate::stub_broker::run(&properties).await.map(|()| 0) })
        }
        Command::Znodes { cluster, paths } => {
            with_runtime(async move { crate::znodes::print(&cluster, &paths).await.map(|()| 0) })
        }
        Command::Znode { cluster, path, data } => {
            with_runtime(async move { crate::znodes::put(&cluster, &path, &data).await.map(|()| 0) })
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("lab: {}", error.chain());
        1
    })
}

fn with_runtime(work: impl Future<Output = Result<i32>>) -> Result<i32> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAB_LOG").unwrap_or_else(|_| "warn".into());
    // Only the first one counts, and there is only one.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .context(|| "start the runtime".into())?;
    runtime.block_on(work)
}

/// Runs until the end or until Ctrl-C or SIGTERM; `None` when it was told to stop.
async fn until_told<T>(work: impl Future<Output = T>) -> Result<Option<T>> {
    let mut terminate = signal(SignalKind::terminate()).context(|| "wait for SIGTERM".into())?;
    let mut interrupt = signal(SignalKind::interrupt()).context(|| "wait for Ctrl-C".into())?;
    tokio::select! {
        done = work => Ok(Some(done)),
        _ = terminate.recv() => Ok(None),
        _ = interrupt.recv() => Ok(None),
    }
}

async fn demo_command() -> Result<i32> {
    crate::commands::require(&["kcat", "java"])?;
    let story = Story::begin(false);
    story.part("a VPC of three zones, IMDS, EC2, Auto Scaling, CloudFormation, ZooKeeper");
    println!(
        "  Seconds since the start, who, what. a1, b1, c1 are the first instances of zones a, b, c; b2 is the second of zone b."
    );
    println!(
        "  A slot is a broker id with its network interface (the fixed address) and its volume (the data)."
    );
    in_lab(demo::scenario()?, story, false, async |lab: &mut LabRun| demo::play(lab).await).await
}

async fn run_command(path: PathBuf, keep: bool) -> Result<i32> {
    let scenario = Scenario::load(&path)?;
    let story = Story::begin(false);
    story.part(&format!("{}: {}", path.display(), scenario.about));
    in_lab(scenario, story, keep, async |lab: &mut LabRun| {
        lab.launch()?;
        play::play(lab).await
    })
    .await
}

async fn herd_command(runs: usize, keep: bool) -> Result<i32> {
    let Some(played) = until_told(crate::herd::play(runs, keep)).await? else {
        eprintln!("lab: told to stop");
        ledger::clean_abandoned()?;
        return Ok(130);
    };
    played.map(|()| 0)
}

async fn up_command(path: Option<PathBuf>) -> Result<i32> {
    let scenario = path.map_or_else(demo::scenario, |path| Scenario::load(&path))?;
    in_lab(scenario, Story::begin(false), false, async |lab: &mut LabRun| {
        lab.launch()?;
        println!(
            "lab {} is up: `lab shell a1`, `ip netns exec {} kcat -L -b {}`; Ctrl-C ends it",
            lab.id(),
            lab.srv(),
            lab.clients.bootstrap
        );
        std::future::pending().await
    })
    .await
}

/// Makes a lab, lets something happen in it, and takes it down whatever came of it.
async fn in_lab(
    scenario: Scenario,
    story: Story,
    keep: bool,
    happens: impl AsyncFnOnce(&mut LabRun) -> Result<()>,
) -> Result<i32> {
    let Some(made) = until_told(LabRun::make(scenario, story.clone())).await? else {
        eprintln!("lab: told to stop");
        // The half-made lab's lock went with the future that held it.
        ledger::clean_abandoned()?;
        return Ok(130);
    };
    let mut lab = made?;
    story.tell("lab", format!("{} is up", lab.id()));
    let done = until_told(happens(&mut lab)).await?;
    let failed = matches!(done, Some(Err(_)));
    if let Some(Err(error)) = &done {
        println!("{}\n\nlab: FAILED: {}", lab.tails(), error.chain());
    }
    let seconds = story.elapsed().as_secs();
    if let Some(kept) = lab.end(keep || failed).await? {
        println!("lab: logs and journal are kept in {}", kept.display());
    }
    match done {
        None => {
            println!("lab: told to stop; everything is taken down");
            Ok(130)
        }
        Some(Err(_)) => Ok(1),
        Some(Ok(())) => {
            println!("lab: it holds ({seconds} s)");
            Ok(0)
        }
    }
}

fn shell(who: &str, lab: Option<&str>, words: &[String]) -> Result<i32> {
    let running = ledger::running()?;
    let lab = match (lab, running.as_slice()) {
        (Some(lab), _) => lab,
        (None, [one]) => one.as_str(),
        (None, []) => return Err(Error::new("no lab runs: start one with `lab up`")),
        (None, several) => {
            return Err(Error::new(format!("several labs run, name one with --lab: {}", several.join(", "))));
        }
    };
    let path = Path::new(ledger::STATE).join(lab).join("instances.json");
    let text = std::fs::read_to_string(&path)
        .context(|| format!("read {} (has the lab any instance yet?)", path.display()))?;
    let list: Vec<InstanceInfo> =
        serde_json::from_str(&text).context(|| format!("understand {}", path.display()))?;
    let known = list
        .iter()
        .find(|k| k.label == who || k.id == who)
        .or_else(|| list.iter().find(|k| k.id.contains(who)));
    let pid1 = known.and_then(|k| k.pid1).ok_or_else(|| {
        let up: Vec<String> =
            list.iter().filter(|k| k.pid1.is_some()).map(|k| format!("{} ({})", k.label, k.id)).collect();
        Error::new(format!("no instance {who:?} is up; up are: {}", up.join(", ")))
    })?;
    let program = words.first().map_or("bash", String::as_str);
    let environment = vec![("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", crate::fabric::API))];
    let mut command = crate::instance::inside(pid1, &environment, program).into_std();
    command
        .args(words.get(1..).unwrap_or_default())
        .env("TERM", std::env::var_os("TERM").unwrap_or_else(|| "dumb".into()));
    let status = command.status().context(|| format!("enter {who}"))?;
    Ok(status.code().unwrap_or(1))
}
