//! The life of one service from its start to the end of its last restart, as one thread tells it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::spawn::Launch;
use super::{Manager, Service};
use crate::guest::service::{Ended, Phase};
use crate::guest::unit::{Exec, Kind, Unit};

/// What a wait for a process came to.
enum Waited {
    Ended(Ended),
    StopAsked,
    Ready,
    TimedOut,
}

impl Manager {
    /// Runs the service, again and again while its unit says so.
    pub(super) fn live(self: &Arc<Self>, name: &str) {
        loop {
            let (result, end) = self.run_once(name);
            let mut state = self.lock();
            let Some(service) = state.services.get_mut(name) else { return };
            service.result = result;
            service.main_pid = None;
            if !service.restarts_after(result, end) {
                let failed = result != "success";
                let (phase, sub) = if failed { (Phase::Failed, "failed") } else { (Phase::Inactive, "dead") };
                service.enter(phase, sub);
                println!("{name}: {} ({result})", phase.name());
                self.changed.notify_all();
                return;
            }
            service.enter(Phase::Activating, "auto-restart");
            println!("{name}: ended ({result}), restart in {:?}", service.unit.restart_after);
            let at = Instant::now() + service.unit.restart_after;
            self.changed.notify_all();
            loop {
                let Some(service) = state.services.get_mut(name) else { return };
                if service.stop_asked {
                    service.enter(Phase::Inactive, "dead");
                    self.changed.notify_all();
                    return;
                }
                if service.start_now || Instant::now() >= at {
                    break;
                }
                state = self.wait(state, Some(at));
            }
            let Some(service) = state.services.get_mut(name) else { return };
            service.start_now = false;
            if !service.may_start(Instant::now()) {
                service.enter(Phase::Failed, "failed");
                service.result = "start-limit-hit";
                println!("{name}: started too often, failed (start-limit-hit)");
                self.changed.notify_all();
                return;
            }
            service.restarts += 1;
            service.enter(Phase::Activating, "start-pre");
        }
    }

    fn run_once(self: &Arc<Self>, name: &str) -> (&'static str, Option<Ended>) {
        let invocation = uuid::Uuid::new_v4().simple().to_string();
        let unit = {
            let mut state = self.lock();
            let Some(service) = state.services.get_mut(name) else { return ("resources", None) };
            service.invocation = invocation.clone();
            (service.main_end, service.ready, service.result) = (None, false, "success");
            service.unit.clone()
        };
        if unit.kind == Kind::Notify {
            self.notify_socket(name);
        }
        let launch = match Launch::prepare(self, &unit, &invocation) {
            Ok(launch) => launch,
            Err(why) => {
                println!("{name}: {why}");
                return ("resources", None);
            }
        };
        let (result, end) = self.start_and_stay(&unit, &launch);
        self.set(name, |s| {
            if !s.unit.stop_post.is_empty() {
                s.enter(Phase::Deactivating, "stop-post");
            }
        });
        // What is left of the unit ends with its main process (KillMode=control-group).
        if Self::signal_all(&invocation, None, Signal::SIGTERM) > 0 {
            self.until_gone(&invocation, None, Instant::now() + Duration::from_secs(2));
            Self::signal_all(&invocation, None, Signal::SIGKILL);
        }
        for exec in &unit.stop_post {
            self.control(&unit, &launch, exec, None, false);
        }
        (result, end)
    }

    fn start_and_stay(self: &Arc<Self>, unit: &Unit, launch: &Launch) -> (&'static str, Option<Ended>) {
        let name = unit.name.as_str();
        let deadline = unit.start_timeout.map(|limit| Instant::now() + limit);
        for exec in &unit.start_pre {
            if let Some(result) = self.control(unit, launch, exec, deadline, true) {
                return (result, None);
            }
        }
        let mut last = None;
        for (n, exec) in unit.start.iter().enumerate() {
            let pid = match self.spawn(launch, exec) {
                Ok(pid) => pid,
                Err(why) => {
                    println!("{name}: {why}");
                    self.set(name, |s| s.main_end = Some(Ended::Exited(203)));
                    return ("exit-code", Some(Ended::Exited(203)));
                }
            };
            self.set(name, |s| {
                s.enter(Phase::Activating, "start");
                s.main_pid = Some(pid);
            });
            let is_last = n + 1 == unit.start.len();
            let waited = match unit.kind {
                Kind::Simple => {
                    self.up(name, unit, launch);
                    self.wait_for(name, pid, None, false)
                }
                Kind::Notify => match self.wait_for(name, pid, deadline, true) {
                    Waited::Ready => {
                        self.up(name, unit, launch);
                        self.wait_for(name, pid, None, false)
                    }
                    other => other,
                },
                Kind::Oneshot => self.wait_for(name, pid, deadline, false),
            };
            match waited {
                Waited::Ended(end) => {
                    let result = self.note_end(name, end);
                    last = Some(end);
                    if result != "success" && !exec.ignore_failure {
                        return (result, last);
                    }
                    if is_last && unit.kind == Kind::Notify && !self.was_ready(name) {
                        return ("protocol", last);
                    }
                }
                Waited::StopAsked => return self.take_down(unit, launch, Some(pid)),
                Waited::TimedOut | Waited::Ready => {
                    let (_, end) = self.take_down(unit, launch, Some(pid));
                    return ("timeout", end);
                }
            }
        }
        if unit.kind == Kind::Oneshot {
            for exec in &unit.start_post {
                self.control(unit, launch, exec, deadline, false);
            }
        }
        if unit.remain {
            self.set(name, |s| {
                s.enter(Phase::Active, "exited");
                s.main_pid = None;
            });
            let mut state = self.lock();
            while state.services.get(name).is_some_and(|s| !s.stop_asked) {
                state = self.wait(state, None);
            }
            drop(state);
            return self.take_down(unit, launch, None);
        }
        ("success", last)
    }

    fn up(self: &Arc<Self>, name: &str, unit: &Unit, launch: &Launch) {
        self.set(name, |s| s.enter(Phase::Activating, "start-post"));
        for exec in &unit.start_post {
            self.control(unit, launch, exec, None, false);
        }
        self.set(name, |s| s.enter(Phase::Active, "running"));
    }

    /// ExecStop=, then SIGTERM, then SIGKILL when the patience is over.
    fn take_down(
        self: &Arc<Self>,
        unit: &Unit,
        launch: &Launch,
        main: Option<i32>,
    ) -> (&'static str, Option<Ended>) {
        let name = unit.name.as_str();
        let deadline = unit
            .stop_timeout
            .map_or_else(|| Instant::now() + Duration::from_secs(3600), |t| Instant::now() + t);
        self.set(name, |s| s.enter(Phase::Deactivating, "stop"));
        for exec in &unit.stop {
            self.control(unit, launch, exec, Some(deadline), false);
        }
        self.set(name, |s| s.enter(Phase::Deactivating, "stop-sigterm"));
        let mut result = "success";
        Self::signal_all(&launch.invocation, main, Signal::SIGTERM);
        if !self.until_gone(&launch.invocation, main, deadline) {
            self.set(name, |s| s.enter(Phase::Deactivating, "stop-sigkill"));
            Self::signal_all(&launch.invocation, main, Signal::SIGKILL);
            self.until_gone(&launch.invocation, main, Instant::now() + Duration::from_secs(10));
            result = "timeout";
        }
        let end = main.and_then(|pid| self.lock().ended.remove(&pid));
        if let Some(end) = end {
            let of_end = self.note_end(name, end);
            result = if result == "success" { of_end } else { result };
        }
        (result, end)
    }

    /// Runs a command beside the main one. `Some(result)` when it failed and that counts.
    fn control(
        &self,
        unit: &Unit,
        launch: &Launch,
        exec: &Exec,
        deadline: Option<Instant>,
        stoppable: bool,
    ) -> Option<&'static str> {
        let pid = match self.spawn(launch, exec) {
            Ok(pid) => pid,
            Err(why) => {
                println!("{}: {why}", unit.name);
                return (!exec.ignore_failure).then_some("exit-code");
            }
        };
        let mut state = self.lock();
        loop {
            if let Some(end) = state.ended.remove(&pid) {
                let failed = end != Ended::Exited(0) && !exec.ignore_failure;
                if failed {
                    println!("{}: `{}` ended with {end:?}", unit.name, exec.words.join(" "));
                }
                return failed.then_some(if matches!(end, Ended::Exited(_)) {
                    "exit-code"
                } else {
                    "signal"
                });
            }
            let stop = stoppable && state.services.get(&unit.name).is_some_and(|s| s.stop_asked);
            if stop || deadline.is_some_and(|at| Instant::now() >= at) {
                // The process may be gone already; its end is read either way.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
                return Some(if stop { "success" } else { "timeout" });
            }
            state = self.wait(state, deadline);
        }
    }

    fn wait_for(&self, name: &str, pid: i32, deadline: Option<Instant>, for_ready: bool) -> Waited {
        let mut state = self.lock();
        loop {
            if let Some(end) = state.ended.remove(&pid) {
                return Waited::Ended(end);
            }
            if state.services.get(name).is_some_and(|s| s.stop_asked) {
                return Waited::StopAsked;
            }
            if for_ready && state.services.get(name).is_some_and(|s| s.ready) {
                return Waited::Ready;
            }
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return Waited::TimedOut;
            }
            state = self.wait(state, deadline);
        }
    }

    /// Waits until no process of the invocation is left; orphans are ours to reap, so every end wakes us.
    fn until_gone(&self, invocation: &str, main: Option<i32>, deadline: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let main_up = main.is_some_and(|pid| !state.ended.contains_key(&pid));
            if !main_up && super::processes_of(invocation).is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            // A process of the unit whose parent is another of its processes is reaped by that one: look now and then.
            let next = deadline.min(Instant::now() + Duration::from_millis(100));
            state = self.wait(state, Some(next));
        }
    }

    fn note_end(&self, name: &str, end: Ended) -> &'static str {
        let mut result = "success";
        self.set(name, |s| {
            s.main_end = Some(end);
            s.main_pid = None;
            result = s.result_of(end);
        });
        result
    }

    fn was_ready(&self, name: &str) -> bool {
        self.lock().services.get(name).is_some_and(|s| s.ready)
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut Service)) {
        if let Some(service) = self.lock().services.get_mut(name) {
            change(service);
        }
        self.changed.notify_all();
    }
}
