//! Work inside a named network namespace: a short-lived thread enters it, does one thing and ends, so that no thread of the
//! program is ever left in the wrong namespace. Sockets opened there stay there.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::commands::{run, run_with_input};
use crate::error::{Context, Error, Result};

/// Where `ip netns` keeps the handle of a namespace.
pub fn handle(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// Runs `work` in the namespace. `/proc/sys/net` and new sockets are those of the namespace.
pub fn inside<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = File::open(handle(name)).context(|| format!("open the network namespace {name}"))?;
            setns(file, CloneFlags::CLONE_NEWNET)
                .context(|| format!("enter the network namespace {name} (needs root)"))?;
            work()
        });
        thread
            .join()
            .unwrap_or_else(|_| Err(Error::new(format!("the thread in network namespace {name} panicked"))))
    })
}

/// A listener whose socket lives in the namespace.
pub fn listen(name: &str, at: SocketAddr) -> Result<TcpListener> {
    inside(name, || TcpListener::bind(at).context(|| format!("listen on {at} in {name}")))
}

/// A connection made from inside the namespace.
pub fn connect(name: &str, to: SocketAddr, limit: Duration) -> Result<TcpStream> {
    inside(name, || TcpStream::connect_timeout(&to, limit).context(|| format!("connect to {to} from {name}")))
}

/// Makes a namespace with its loopback up.
pub fn add(name: &str) -> Result<()> {
    run(Command::new("ip").args(["netns", "add", name])).context(|| {
        format!("make the network namespace {name} (needs root with CAP_SYS_ADMIN: in a container, run it privileged)")
    })?;
    ip(name, &["link set lo up".into()])
}

/// Removes a namespace if it exists.
pub fn remove(name: &str) -> Result<()> {
    if handle(name).exists() {
        run(Command::new("ip").args(["netns", "del", name]))?;
    }
    Ok(())
}

/// Runs a batch of `ip` commands in the namespace; the first that fails ends it.
pub fn ip(name: &str, lines: &[String]) -> Result<()> {
    let text = lines.join("\n") + "\n";
    run_with_input(Command::new("ip").args(["-n", name, "-b", "-"]), &text)
        .map(drop)
        .context(|| format!("in {name}: {}", lines.join("; ")))
}

/// The same, carrying on over errors: for taking down what may be gone already.
pub fn ip_whatever(name: &str, lines: &[String]) {
    let text = lines.join("\n") + "\n";
    // `-force` goes on after an error and ends with a failure when there was one, which is no news here.
    let _ = run_with_input(Command::new("ip").args(["-n", name, "-force", "-b", "-"]), &text);
}

/// A command that runs in the namespace.
pub fn command(name: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", handle(name).display())).arg("--").arg(program);
    command
}
