//! The small systemd: runs services as their units say, one thread for each service that is up, and answers `systemctl`.
//! Only the reaper (the main thread of PID 1) waits for processes; it hands every end to whoever waits on the condition.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::service::{Ended, Phase, Service};
use super::unit::{DIRECTORIES, Unit};

mod answers;
mod run;
mod spawn;

/// How long units have to end when the machine goes down; EC2 gives the operating system a while, tests don't want to wait.
const GOING_DOWN: Duration = Duration::from_secs(20);

/// All services of an instance.
#[derive(Debug)]
pub struct Manager {
    state: Mutex<State>,
    changed: Condvar,
    environment: BTreeMap<String, String>,
    logs: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<String, Service>,
    ended: HashMap<i32, Ended>,
    going_down: Option<String>,
    notify_sockets: Vec<String>,
}

impl Manager {
    /// A manager whose units get this environment and write their output under `logs`.
    pub fn new(environment: BTreeMap<String, String>, logs: PathBuf) -> Arc<Manager> {
        Arc::new(Manager { state: Mutex::default(), changed: Condvar::new(), environment, logs })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most until `deadline`.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, deadline: Option<Instant>) -> MutexGuard<'a, State> {
        match deadline {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Takes the ends of all processes that have ended: our children and the orphans that PID 1 inherits.
    pub fn reap(&self) {
        let mut state = self.lock();
        loop {
            let (pid, end) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => (pid, Ended::Exited(status)),
                Ok(WaitStatus::Signaled(pid, signal, false)) => (pid, Ended::Killed(signal)),
                Ok(WaitStatus::Signaled(pid, signal, true)) => (pid, Ended::Dumped(signal)),
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => continue,
            };
            state.ended.insert(pid.as_raw(), end);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The unit as its files say now, with the state that it has.
    fn load(state: &mut State, name: &str) -> bool {
        let directories: Vec<PathBuf> = DIRECTORIES.iter().map(PathBuf::from).collect();
        let loaded = Unit::load(name, &directories);
        let found = loaded.is_some();
        let unit = loaded.unwrap_or_else(|| Unit::parse(name, &[]));
        if !unit.unknown.is_empty() {
            println!("debug: {name}: keys that the lab's systemd does not know: {}", unit.unknown.join(", "));
        }
        match state.services.get_mut(name) {
            Some(service) => service.unit = unit,
            None => drop(state.services.insert(name.to_owned(), Service::new(unit))),
        }
        found
    }

    /// Starts a unit; waits for the end of its start job unless `no_block`. Answers whether the job went well.
    pub fn start(self: &Arc<Self>, name: &str, no_block: bool) -> Result<(), String> {
        let mut state = self.lock();
        while state.services.get(name).is_some_and(|s| s.phase() == Phase::Deactivating) {
            state = self.wait(state, None);
        }
        if state.services.get(name).is_none_or(Service::is_down) {
            if !Self::load(&mut state, name) {
                return Err(format!("Failed to start {name}: Unit {name} not found."));
            }
            self.begin(&mut state, name)?;
        } else if let Some(service) = state.services.get_mut(name) {
            service.start_now = true;
            self.changed.notify_all();
        }
        while !no_block && state.services.get(name).is_some_and(|s| !s.start_is_over()) {
            state = self.wait(state, None);
        }
        let Some(service) = state.services.get(name) else { return Ok(()) };
        match service.phase() {
            _ if no_block => Ok(()),
            Phase::Failed | Phase::Activating => Err(format!(
                "Job for {name} failed ({}).\nSee \"systemctl status {name}\" and /var/log/lab/{name}.log for details.",
                service.result
            )),
            _ => Ok(()),
        }
    }

    fn begin(self: &Arc<Self>, state: &mut State, name: &str) -> Result<(), String> {
        let Some(service) = state.services.get_mut(name) else { return Ok(()) };
        service.condition_met = service.unit.conditions.iter().all(|c| condition(c));
        if !service.condition_met {
            return Ok(());
        }
        if state.going_down.is_some() {
            return Err(format!("Failed to start {name}: the machine is going down"));
        }
        if !service.may_start(Instant::now()) {
            service.enter(Phase::Failed, "failed");
            service.result = "start-limit-hit";
            return Err(format!("Failed to start {name}: Start request repeated too quickly."));
        }
        service.enter(Phase::Activating, "start-pre");
        service.restarts = 0;
        (service.stop_asked, service.start_now) = (false, false);
        let (manager, name) = (Arc::clone(self), name.to_owned());
        std::thread::spawn(move || manager.live(&name));
        Ok(())
    }

    /// Stops a unit; waits until it is down unless `no_block`.
    pub fn stop(&self, name: &str, no_block: bool) {
        let mut state = self.lock();
        if let Some(service) = state.services.get_mut(name).filter(|s| !s.is_down()) {
            service.stop_asked = true;
            self.changed.notify_all();
        }
        while !no_block && state.services.get(name).is_some_and(|s| !s.is_down()) {
            state = self.wait(state, None);
        }
    }

    /// Starts what is enabled: the links in `multi-user.target.wants`.
    pub fn start_enabled(self: &Arc<Self>) {
        let mut names: Vec<String> = Vec::new();
        for directory in DIRECTORIES {
            let entries = std::fs::read_dir(Path::new(directory).join("multi-user.target.wants"))
                .into_iter()
                .flatten()
                .flatten();
            names.extend(
                entries
                    .map(|e| e.file_name().to_string_lossy().into_owned())
                    .filter(|n| n.ends_with(".service")),
            );
        }
        names.sort();
        names.dedup();
        for name in names {
            if let Err(said) = self.start(&name, true) {
                println!("{said}");
            }
        }
    }

    /// Stops everything, a unit before those that it is ordered After=, and says why meanwhile (`systemctl list-jobs`).
    pub fn go_down(&self, how: &str) {
        self.lock().going_down = Some(how.to_owned());
        let deadline = Instant::now() + GOING_DOWN;
        let mut state = self.lock();
        loop {
            let up: Vec<String> =
                state.services.iter().filter(|(_, s)| !s.is_down()).map(|(n, _)| n.clone()).collect();
            if up.is_empty() || Instant::now() >= deadline {
                return;
            }
            for name in &up {
                let someone_above = up.iter().any(|other| {
                    other != name && state.services.get(other).is_some_and(|s| s.unit.after.contains(name))
                });
                if let Some(service) = state.services.get_mut(name).filter(|_| !someone_above) {
                    service.stop_asked = true;
                }
            }
            self.changed.notify_all();
            state = self.wait(state, Some(deadline));
        }
    }

    /// Sends a signal to every process of a unit's current invocation.
    fn signal_all(invocation: &str, main: Option<i32>, signal: nix::sys::signal::Signal) -> usize {
        let mut pids = processes_of(invocation);
        pids.extend(main.filter(|pid| Path::new(&format!("/proc/{pid}")).exists()));
        pids.sort_unstable();
        pids.dedup();
        for pid in &pids {
            // Gone in between is what we want.
            let _ = nix::sys::signal::kill(Pid::from_raw(*pid), signal);
        }
        pids.len()
    }
}

fn condition(condition: &str) -> bool {
    let condition = condition.trim_start_matches('|');
    match condition.strip_prefix('!') {
        Some(path) => !Path::new(path).exists(),
        None => Path::new(condition).exists(),
    }
}

/// The processes of one invocation: whoever has its INVOCATION_ID in the environment that it was started with. It stands in
/// for the control group, which the lab does not have.
fn processes_of(invocation: &str) -> Vec<i32> {
    let mark = format!("INVOCATION_ID={invocation}");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str().and_then(|n| n.parse::<i32>().ok()));
    let marked = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == mark.as_bytes()))
    };
    pids.filter(|pid| *pid != 1).filter(marked).collect()
}
