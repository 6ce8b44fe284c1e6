//! What PID 1 answers to each verb of `systemctl`, exit status included.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;

use super::{Manager, State};
use crate::guest::protocol::{Reply, Request};
use crate::guest::service::Phase;

impl Manager {
    /// Carries out a request.
    pub fn answer(self: &Arc<Self>, request: &Request) -> Reply {
        let mut reply = Reply::default();
        match request.verb.as_str() {
            "daemon-reload" | "daemon-reexec" => {}
            "is-system-running" => {
                let down = self.lock().going_down.is_some();
                (reply.out, reply.code) =
                    if down { ("stopping\n".into(), 1) } else { ("running\n".into(), 0) };
            }
            "list-jobs" => {
                reply.out = match &self.lock().going_down {
                    Some(how) => {
                        format!("JOB UNIT TYPE STATE\n1 {how}.target start running\n\n1 jobs listed.\n")
                    }
                    None => "No jobs running.\n".into(),
                };
            }
            "list-units" | "list-unit-files" => self.list(&mut reply),
            _ => {
                for unit in &request.units {
                    self.one(request, unit, &mut reply);
                }
            }
        }
        reply
    }

    fn one(self: &Arc<Self>, request: &Request, name: &str, reply: &mut Reply) {
        match request.verb.as_str() {
            "start" => self.try_start(name, request.no_block, reply),
            "stop" => self.stop(name, request.no_block),
            "restart" | "try-restart" => {
                let up = self.lock().services.get(name).is_some_and(|s| !s.is_down());
                self.stop(name, false);
                if up || request.verb == "restart" {
                    self.try_start(name, request.no_block, reply);
                }
            }
            "reset-failed" => {
                if let Some(service) = self.lock().services.get_mut(name) {
                    service.starts.clear();
                    if service.phase() == Phase::Failed {
                        service.enter(Phase::Inactive, "dead");
                        service.result = "success";
                    }
                }
            }
            "kill" => self.kill(name, request.signal.as_deref().unwrap_or("SIGTERM"), reply),
            "enable" | "disable" => self.enable(name, request.verb == "enable", reply),
            _ => self.look(request, name, reply),
        }
    }

    /// The verbs that only read.
    fn look(&self, request: &Request, name: &str, reply: &mut Reply) {
        let mut state = self.lock();
        self.refresh(&mut state, name);
        let Some(service) = state.services.get(name) else { return };
        match request.verb.as_str() {
            "is-active" => {
                let _ = writeln!(reply.out, "{}", service.phase().name());
                reply.code = if service.phase() == Phase::Active { 0 } else { 3 };
            }
            "is-failed" => {
                let _ = writeln!(reply.out, "{}", service.phase().name());
                reply.code = i32::from(service.phase() != Phase::Failed);
            }
            "is-enabled" => match service.unit_file_state() {
                "" => {
                    let _ = writeln!(
                        reply.err,
                        "Failed to get unit file state for {name}: No such file or directory"
                    );
                    reply.code = 1;
                }
                known => {
                    let _ = writeln!(reply.out, "{known}");
                    reply.code = i32::from(known == "disabled");
                }
            },
            "show" => reply.properties.push(service.properties()),
            "cat" => {
                reply.out.push_str(
                    &service
                        .unit
                        .fragment
                        .as_ref()
                        .and_then(|p| std::fs::read_to_string(p).ok())
                        .unwrap_or_default(),
                );
            }
            "status" => {
                let _ = writeln!(reply.out, "{name} - {}", service.unit.description);
                let _ = writeln!(
                    reply.out,
                    "     Active: {} ({}) result {}",
                    service.phase().name(),
                    service.sub(),
                    service.result
                );
                let _ = writeln!(reply.out, "   Main PID: {}", service.main_pid.unwrap_or(0));
                let log = self.logs.join(format!("{name}.log"));
                let text = std::fs::read_to_string(log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                for line in &lines[lines.len().saturating_sub(10)..] {
                    let _ = writeln!(reply.out, "{line}");
                }
                reply.code = match service.phase() {
                    _ if service.unit.fragment.is_none() => 4,
                    Phase::Active => 0,
                    _ => 3,
                };
            }
            verb => {
                let _ = writeln!(reply.err, "Unknown command verb {verb}.");
                reply.code = 1;
            }
        }
    }

    /// Reads the unit anew when nothing runs by it, as a manager does for a unit that it had let go of.
    fn refresh(&self, state: &mut State, name: &str) {
        if state.services.get(name).is_none_or(|s| s.is_down()) {
            Self::load(state, name);
        }
    }

    fn try_start(self: &Arc<Self>, name: &str, no_block: bool, reply: &mut Reply) {
        if let Err(said) = self.start(name, no_block) {
            reply.code = if said.contains("not found") { 5 } else { 1 };
            let _ = writeln!(reply.err, "{said}");
        }
    }

    fn kill(&self, name: &str, signal: &str, reply: &mut Reply) {
        let full = if signal.starts_with("SIG") { signal.to_owned() } else { format!("SIG{signal}") };
        let Ok(signal) = full.parse::<Signal>() else {
            let _ = writeln!(reply.err, "Failed to parse signal string {signal}.");
            reply.code = 1;
            return;
        };
        let state = self.lock();
        match state.services.get(name).filter(|s| !s.is_down()) {
            Some(service) => drop(Self::signal_all(&service.invocation, service.main_pid, signal)),
            None => {
                let _ = writeln!(reply.err, "Failed to kill unit {name}: Unit {name} not loaded.");
                reply.code = 1;
            }
        }
    }

    fn enable(&self, name: &str, on: bool, reply: &mut Reply) {
        let mut state = self.lock();
        self.refresh(&mut state, name);
        let Some(unit) = state.services.get(name).map(|s| s.unit.clone()) else { return };
        let Some(fragment) = &unit.fragment else {
            let _ = writeln!(reply.err, "Failed to enable unit: Unit file {name} does not exist.");
            reply.code = 1;
            return;
        };
        for target in &unit.wanted_by {
            let directory = Path::new("/etc/systemd/system").join(format!("{target}.wants"));
            let link = directory.join(name);
            let done = match on {
                true if link.symlink_metadata().is_ok() => Ok(()),
                true => std::fs::create_dir_all(&directory).and_then(|()| symlink(fragment, &link)),
                false => match std::fs::remove_file(&link) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    done => done,
                },
            };
            if let Err(error) = done {
                let _ = writeln!(reply.err, "Failed to change {}: {error}", link.display());
                reply.code = 1;
            }
        }
        if unit.wanted_by.is_empty() && on {
            let _ = writeln!(
                reply.err,
                "The unit files have no installation config (WantedBy=) and are not meant to be enabled."
            );
        }
    }

    fn list(&self, reply: &mut Reply) {
        let state = self.lock();
        for (name, service) in &state.services {
            let load = if service.unit.fragment.is_some() { "loaded" } else { "not-found" };
            let line = format!(
                "{name} {load} {} {} {}",
                service.phase().name(),
                service.sub(),
                service.unit.description
            );
            let _ = writeln!(reply.out, "{line}");
        }
    }
}
