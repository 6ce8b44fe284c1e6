//! PID 1 of an instance. `lab init SPEC` enters the network namespace, unshares the others and starts itself again as the
//! first process there, which builds the root, runs enabled units and user-data, reaps, and answers `systemctl`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigSet, Signal};

use super::manager::Manager;
use super::protocol::{Reply, Request, SOCKET};
use super::root::{Spec, enter};
use crate::error::{Context, Error, Result};
use crate::netns;

/// What PID 1 prints on its standard output once it listens.
pub const READY: &str = "ready";

fn read(path: &Path) -> Result<Spec> {
    let text = fs::read_to_string(path).context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).context(|| format!("understand {}", path.display()))
}

/// The outer half: makes the namespaces, prints the process id of PID 1 as the host sees it, and lasts as long as it does.
pub fn outer(path: &Path) -> Result<i32> {
    let spec = read(path)?;
    let file = File::open(netns::handle(&spec.netns))
        .context(|| format!("open the network namespace {}", spec.netns))?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .context(|| format!("enter the network namespace {}", spec.netns))?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )
    .context(|| "make the namespaces of an instance (needs root with CAP_SYS_ADMIN)".into())?;
    let mut child = Command::new("/proc/self/exe")
        .args(["init".as_ref(), "--pid1".as_ref(), path.as_os_str()])
        .stdin(Stdio::null())
        .spawn()
        .context(|| "start PID 1".into())?;
    println!("{}", child.id());
    let status = child.wait().context(|| "wait for PID 1".into())?;
    Ok(status.code().unwrap_or(1))
}

/// The inner half: PID 1 itself. Returns only when something failed before the instance was up.
pub fn inner(path: &Path) -> Result<()> {
    if std::process::id() != 1 {
        return Err(Error::new(
            "`lab init --pid1` runs as the first process of an instance only; the lab starts it by itself",
        ));
    }
    let spec = read(path)?;
    // Blocked before any thread starts; a blocked signal reaches PID 1 although it has no handler (pid_namespaces(7)).
    let mut awaited = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        awaited.add(signal);
    }
    awaited.thread_block().context(|| "block signals".into())?;
    enter(&spec)?;
    let logs = Path::new("/var/log/lab");
    let listener = UnixListener::bind(SOCKET).context(|| format!("listen on {SOCKET}"))?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o600)).context(|| format!("protect {SOCKET}"))?;
    println!("{READY}");
    let log = append(&logs.join("init.log"))?;
    nix::unistd::dup2_stdout(&log).context(|| "write to init.log".into())?;
    nix::unistd::dup2_stderr(&log).context(|| "write to init.log".into())?;
    let boot_id =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").context(|| "read the boot id".into())?;
    println!("-- boot {} of {}", boot_id.trim(), spec.instance);

    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut environment =
        BTreeMap::from([("PATH".to_owned(), path.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())]);
    environment.extend(spec.environment.iter().cloned());
    let manager = Manager::new(environment, logs.to_owned());
    let for_socket = Arc::clone(&manager);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let manager = Arc::clone(&for_socket);
            std::thread::spawn(move || serve(&manager, &stream));
        }
    });
    let for_boot = Arc::clone(&manager);
    std::thread::spawn(move || {
        for_boot.start_enabled();
        if let Err(error) = user_data(&for_boot, &spec) {
            println!("user-data: {}", error.chain());
        }
    });
    loop {
        match awaited.wait() {
            Ok(Signal::SIGCHLD) => manager.reap(),
            Ok(signal) => {
                let manager = Arc::clone(&manager);
                let how = if signal == Signal::SIGINT { "reboot" } else { "poweroff" };
                std::thread::spawn(move || end(&manager, how));
            }
            Err(_) => {}
        }
    }
}

/// Stops all units and ends the instance; the kernel kills what is left of it.
fn end(manager: &Manager, how: &str) {
    println!("-- going down: {how}");
    manager.go_down(how);
    println!("-- down");
    std::process::exit(0);
}

fn serve(manager: &Arc<Manager>, stream: &UnixStream) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let reply = match serde_json::from_str::<Request>(&line) {
        // Does not come back: the connection closes with the instance.
        Ok(request) if request.verb == "poweroff" || request.verb == "reboot" => {
            return end(manager, &request.verb);
        }
        Ok(request) => manager.answer(&request),
        Err(error) => Reply { code: 1, err: format!("not a request: {error}\n"), ..Reply::default() },
    };
    let text = serde_json::to_string(&reply).unwrap_or_default() + "\n";
    // Whoever asked may be gone.
    let _ = (&mut &*stream).write_all(text.as_bytes());
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).context(|| format!("open {}", path.display()))
}

/// Runs user-data as cloud-init does: a `#!` script, once in the life of the instance, its output in a log.
fn user_data(manager: &Arc<Manager>, spec: &Spec) -> Result<()> {
    let Some(script) = &spec.user_data else { return Ok(()) };
    let directory = Path::new("/var/lib/cloud/instances").join(&spec.instance);
    let (mark, file) = (directory.join("sem"), directory.join("user-data"));
    if mark.exists() {
        return Ok(());
    }
    if !script.starts_with("#!") {
        return Err(Error::new(
            "user-data is not a script (it does not begin with #!): the lab runs scripts only",
        ));
    }
    fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
    fs::write(&file, script).context(|| format!("write {}", file.display()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))
        .context(|| format!("make {} a program", file.display()))?;
    fs::write(&mark, "").context(|| format!("write {}", mark.display()))?;
    let log = append(Path::new("/var/log/lab/user-data.log"))?;
    let status = manager.script(&file, &log).context(|| "run user-data".into())?;
    println!("-- user-data ended: {status}");
    Ok(())
}
