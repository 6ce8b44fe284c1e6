//! Starting one process of a unit: its environment, user, directory, limits and log file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::Manager;
use crate::guest::unit::{Exec, Unit, environment_file, expand};
use crate::guest::unmask::unmasked;

/// What all processes of one invocation share.
pub(super) struct Launch {
    pub(super) invocation: String,
    environment: BTreeMap<String, String>,
    user: Option<(u32, u32)>,
    directory: String,
    files: Option<String>,
    log: File,
}

impl Launch {
    pub(super) fn prepare(manager: &Manager, unit: &Unit, invocation: &str) -> Result<Launch, String> {
        let mut environment = manager.environment.clone();
        let mut user = None;
        if let Some(name) = &unit.user {
            let found = nix::unistd::User::from_name(name)
                .ok()
                .flatten()
                .ok_or_else(|| format!("no user {name:?}"))?;
            let mut gid = found.gid.as_raw();
            if let Some(group) = &unit.group {
                let found = nix::unistd::Group::from_name(group)
                    .ok()
                    .flatten()
                    .ok_or_else(|| format!("no group {group:?}"))?;
                gid = found.gid.as_raw();
            }
            environment.insert("USER".into(), name.clone());
            environment.insert("LOGNAME".into(), name.clone());
            environment.insert("HOME".into(), found.dir.display().to_string());
            user = Some((found.uid.as_raw(), gid));
        }
        environment.extend(unit.environment.iter().cloned());
        for file in &unit.environment_files {
            match environment_file(Path::new(file.trim_start_matches('-'))) {
                Ok(pairs) => environment.extend(pairs),
                Err(_) if file.starts_with('-') => {}
                Err(error) => return Err(format!("read the environment file {file}: {error}")),
            }
        }
        environment.insert("INVOCATION_ID".into(), invocation.to_owned());
        environment.insert("NOTIFY_SOCKET".into(), notify_path(&unit.name));
        for directory in &unit.directories {
            std::fs::create_dir_all(directory).map_err(|error| format!("make {directory}: {error}"))?;
            if let Some((uid, gid)) = user {
                std::os::unix::fs::chown(directory, Some(uid), Some(gid))
                    .map_err(|e| format!("chown {directory}: {e}"))?;
            }
        }
        let path = manager.logs.join(format!("{}.log", unit.name));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| format!("open {}: {e}", path.display()))?;
        let directory = unit.directory.clone().unwrap_or_else(|| "/".into());
        Ok(Launch {
            invocation: invocation.to_owned(),
            environment,
            user,
            directory,
            files: unit.files.clone(),
            log,
        })
    }
}

fn notify_path(unit: &str) -> String {
    format!("/run/lab/notify-{unit}")
}

/// LimitNOFILE= as prlimit(1) takes it, no higher than the host's own hard limit: to raise that takes CAP_SYS_RESOURCE,
/// which PID 1 of a real machine has and a container that runs the lab may not have.
fn within_reach(limit: &str) -> Option<String> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let hard = limits.lines().find(|line| line.starts_with("Max open files"))?.split_whitespace().nth(4)?;
    let hard: u64 = hard.parse().unwrap_or(u64::MAX);
    let wanted: Vec<u64> = limit.split(':').map(|n| n.parse().unwrap_or(u64::MAX).min(hard)).collect();
    Some(format!("{}:{}", wanted.first()?, wanted.last()?))
}

impl Manager {
    /// Starts a process. The lock is held meanwhile, so that the reaper cannot take its end before we know its number, and
    /// an end noted under that number by an earlier process is thrown away.
    pub(super) fn spawn(&self, launch: &Launch, exec: &Exec) -> Result<i32, String> {
        let mut words = expand(&exec.words, &launch.environment);
        if let Some(limit) = launch.files.as_deref().and_then(within_reach) {
            words.splice(0..0, ["prlimit".into(), format!("--nofile={limit}"), "--".into()]);
        }
        let (program, args) = words.split_first().ok_or("an empty command line")?;
        let output = || launch.log.try_clone().map_err(|error| format!("open the log: {error}"));
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&launch.environment).current_dir(&launch.directory);
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?).process_group(0);
        if let (Some((uid, gid)), false) = (launch.user, exec.privileged) {
            command.uid(uid).gid(gid);
        }
        let mut state = self.lock();
        let child = unmasked(&mut command)
            .spawn()
            .map_err(|error| format!("start `{}`: {error}", exec.words.join(" ")))?;
        let pid = child.id() as i32;
        state.ended.remove(&pid);
        Ok(pid)
    }

    /// Runs a program that belongs to no unit, such as user-data, to its end.
    pub fn script(&self, program: &Path, log: &File) -> Result<String, String> {
        let output = || log.try_clone().map_err(|error| format!("open the log: {error}"));
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment).current_dir("/");
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?).process_group(0);
        let mut state = self.lock();
        let child = unmasked(&mut command)
            .spawn()
            .map_err(|error| format!("start {}: {error}", program.display()))?;
        let pid = child.id() as i32;
        state.ended.remove(&pid);
        loop {
            if let Some(end) = state.ended.remove(&pid) {
                return Ok(format!("{end:?}"));
            }
            state = self.wait(state, None);
        }
    }

    /// Listens for READY=1 of a unit, once for the life of the instance.
    pub(super) fn notify_socket(self: &Arc<Self>, name: &str) {
        let mut state = self.lock();
        if state.notify_sockets.iter().any(|n| n == name) {
            return;
        }
        let path = notify_path(name);
        let Ok(socket) = UnixDatagram::bind(&path) else {
            println!("{name}: cannot listen on {path}");
            return;
        };
        // The unit's user writes to it.
        let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777));
        state.notify_sockets.push(name.to_owned());
        let (manager, name) = (Arc::clone(self), name.to_owned());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == "READY=1") {
                    if let Some(service) = manager.lock().services.get_mut(&name) {
                        service.ready = true;
                    }
                    manager.changed.notify_all();
                }
            }
        });
    }
}
