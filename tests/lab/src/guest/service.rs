//! One service of the small systemd: its state as `systemctl show` tells it, and the rules by which an end is clean and a
//! restart is due. Pure; the processes are the manager's.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::unit::{DIRECTORIES, Exec, Kind, Restart, Unit};

/// ActiveState.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Inactive,
    Activating,
    Active,
    Deactivating,
    Failed,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Inactive => "inactive",
            Phase::Activating => "activating",
            Phase::Active => "active",
            Phase::Deactivating => "deactivating",
            Phase::Failed => "failed",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Killed(nix::sys::signal::Signal),
    Dumped(nix::sys::signal::Signal),
}

/// A service and what has become of it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) unit: Unit,
    phase: Phase,
    sub: &'static str,
    changed: Option<SystemTime>,
    pub(crate) main_pid: Option<i32>,
    pub(crate) invocation: String,
    pub(crate) result: &'static str,
    pub(crate) main_end: Option<Ended>,
    pub(crate) restarts: u32,
    pub(crate) starts: Vec<Instant>,
    pub(crate) stop_asked: bool,
    pub(crate) start_now: bool,
    pub(crate) ready: bool,
    pub(crate) condition_met: bool,
}

impl Service {
    pub(crate) fn new(unit: Unit) -> Service {
        Service {
            unit,
            phase: Phase::Inactive,
            sub: "dead",
            changed: None,
            main_pid: None,
            invocation: String::new(),
            result: "success",
            main_end: None,
            restarts: 0,
            starts: Vec::new(),
            stop_asked: false,
            start_now: false,
            ready: false,
            condition_met: true,
        }
    }

    /// ActiveState.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// SubState.
    pub(crate) fn sub(&self) -> &'static str {
        self.sub
    }

    /// It is in this state from now on.
    pub(crate) fn enter(&mut self, phase: Phase, sub: &'static str) {
        (self.phase, self.sub, self.changed) = (phase, sub, Some(SystemTime::now()));
    }

    /// Nobody works on it.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Inactive | Phase::Failed)
    }

    /// A start job is over: it is up, down, or waits for its next try.
    pub(crate) fn start_is_over(&self) -> bool {
        self.phase != Phase::Activating || self.sub == "auto-restart"
    }

    /// Notes a start, unless there were too many of them lately.
    pub(crate) fn may_start(&mut self, now: Instant) -> bool {
        let (burst, interval) = self.unit.start_limit;
        if burst == 0 || interval == Duration::ZERO {
            return true;
        }
        self.starts.retain(|at| now.duration_since(*at) < interval);
        if self.starts.len() >= burst {
            return false;
        }
        self.starts.push(now);
        true
    }

    /// Result= of an end of the main process.
    pub(crate) fn result_of(&self, end: Ended) -> &'static str {
        if self.is_clean(end) {
            return "success";
        }
        match end {
            Ended::Exited(_) => "exit-code",
            Ended::Killed(_) => "signal",
            Ended::Dumped(_) => "core-dump",
        }
    }

    fn is_clean(&self, end: Ended) -> bool {
        use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
        match end {
            Ended::Exited(0) => true,
            Ended::Killed(SIGHUP | SIGINT | SIGTERM | SIGPIPE) if self.unit.kind != Kind::Oneshot => true,
            end => listed(&self.unit.success_status, end),
        }
    }

    /// Is it started again by itself after this result?
    pub(crate) fn restarts_after(&self, result: &str, end: Option<Ended>) -> bool {
        if self.stop_asked || end.is_some_and(|end| listed(&self.unit.restart_prevent, end)) {
            return false;
        }
        if end.is_some_and(|end| listed(&self.unit.restart_force, end)) {
            return true;
        }
        match self.unit.restart {
            Restart::No => false,
            Restart::Always => true,
            Restart::OnFailure => result != "success",
            Restart::OnAbnormal => matches!(result, "signal" | "core-dump" | "timeout"),
        }
    }

    /// What `systemctl show` tells.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        let (code, status) = match self.main_end {
            None => (0, 0),
            Some(Ended::Exited(status)) => (1, status),
            Some(Ended::Killed(signal)) => (2, signal as i32),
            Some(Ended::Dumped(signal)) => (3, signal as i32),
        };
        let fragment = self.unit.fragment.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        let drop_ins: Vec<String> = self.unit.drop_ins.iter().map(|p| p.display().to_string()).collect();
        let kind = match self.unit.kind {
            Kind::Simple => "simple",
            Kind::Oneshot => "oneshot",
            Kind::Notify => "notify",
        };
        let joined = |words: &[String]| words.join(" ");
        let command = |exec: &Exec| {
            let path = exec.words.first().map(String::as_str).unwrap_or_default();
            let ignores = if exec.ignore_failure { "yes" } else { "no" };
            format!(
                "{{ path={path} ; argv[]={} ; ignore_errors={ignores} ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }}",
                joined(&exec.words)
            )
        };
        let variable = |(key, value): &(String, String)| {
            if value.contains(' ') { format!("\"{key}={value}\"") } else { format!("{key}={value}") }
        };
        let environment: Vec<String> = self.unit.environment.iter().map(variable).collect();
        let stop =
            self.unit.stop_timeout.map_or("infinity".to_owned(), |limit| format!("{}s", limit.as_secs()));
        let mut shown = vec![
            ("Type", kind.to_owned()),
            ("MainPID", self.main_pid.unwrap_or(0).to_string()),
            ("Result", self.result.to_owned()),
            ("NRestarts", self.restarts.to_string()),
            ("ExecMainCode", code.to_string()),
            ("ExecMainStatus", status.to_string()),
            ("Id", self.unit.name.clone()),
            ("Names", self.unit.name.clone()),
            ("Description", self.unit.description.clone()),
            ("LoadState", if self.unit.fragment.is_some() { "loaded" } else { "not-found" }.to_owned()),
            ("ActiveState", self.phase.name().to_owned()),
            ("SubState", self.sub.to_owned()),
            ("StateChangeTimestamp", self.changed.map(timestamp).unwrap_or_default()),
            ("FragmentPath", fragment),
            ("DropInPaths", joined(&drop_ins)),
            ("UnitFileState", self.unit_file_state().to_owned()),
            ("ConditionResult", if self.condition_met { "yes" } else { "no" }.to_owned()),
            ("NeedDaemonReload", "no".to_owned()),
            ("InvocationID", self.invocation.clone()),
            ("TimeoutStopUSec", stop),
            ("Environment", joined(&environment)),
            ("WorkingDirectory", self.unit.directory.clone().unwrap_or_default()),
        ];
        shown.extend(self.unit.start.iter().map(|exec| ("ExecStart", command(exec))));
        shown.extend(self.unit.environment_files.iter().map(|file| {
            let ignores = if file.starts_with('-') { "yes" } else { "no" };
            ("EnvironmentFiles", format!("{} (ignore_errors={ignores})", file.trim_start_matches('-')))
        }));
        shown.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// enabled, disabled or static.
    pub(crate) fn unit_file_state(&self) -> &'static str {
        if self.unit.fragment.is_none() {
            return "";
        }
        if self.unit.wanted_by.is_empty() {
            return "static";
        }
        let linked = |target: &String| {
            let link = format!("{target}.wants/{}", self.unit.name);
            DIRECTORIES.iter().any(|dir| Path::new(dir).join(&link).symlink_metadata().is_ok())
        };
        if self.unit.wanted_by.iter().any(linked) { "enabled" } else { "disabled" }
    }
}

/// A time as systemd.time(7) has it printed on a machine whose zone is UTC: `Fri 2026-11-27 14:02:33 UTC`.
fn timestamp(at: SystemTime) -> String {
    // 1970 began on a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let text = humantime::format_rfc3339_seconds(at).to_string();
    format!("{} {} UTC", DAYS[(days % 7) as usize], text.replace('T', " ").trim_end_matches('Z'))
}

/// Does a list such as `143 SIGKILL TERM` name this end?
fn listed(list: &[String], end: Ended) -> bool {
    list.iter().any(|word| match end {
        Ended::Exited(status) => word.parse() == Ok(status),
        Ended::Killed(signal) | Ended::Dumped(signal) => {
            word == signal.as_str() || format!("SIG{word}") == signal.as_str()
        }
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal::{SIGKILL, SIGTERM};

    use super::*;

    fn service(text: &str) -> Service {
        Service::new(Unit::parse("a.service", &[format!("[Service]\n{text}")]))
    }

    #[test]
    fn sigterm_is_a_clean_end_and_sigkill_is_not() {
        let simple = service("Restart=on-failure");
        assert_eq!(simple.result_of(Ended::Killed(SIGTERM)), "success");
        assert!(!simple.restarts_after("success", Some(Ended::Killed(SIGTERM))));
        assert_eq!(simple.result_of(Ended::Killed(SIGKILL)), "signal");
        assert!(simple.restarts_after("signal", Some(Ended::Killed(SIGKILL))));
    }

    #[test]
    fn success_exit_status_and_restart_prevention_are_honoured() {
        let jvm = service("SuccessExitStatus=143\nRestart=on-failure\nRestartPreventExitStatus=78");
        assert_eq!(jvm.result_of(Ended::Exited(143)), "success");
        assert!(!jvm.restarts_after("exit-code", Some(Ended::Exited(78))));
        assert!(jvm.restarts_after("exit-code", Some(Ended::Exited(1))));
    }

    #[test]
    fn on_abnormal_restarts_after_a_signal_and_not_after_an_exit_code() {
        let oneshot = service("Type=oneshot\nRestart=on-abnormal\nRestartForceExitStatus=70");
        assert!(oneshot.restarts_after("signal", None));
        assert!(!oneshot.restarts_after("exit-code", None));
        assert!(!oneshot.restarts_after("exit-code", Some(Ended::Exited(1))));
        assert!(oneshot.restarts_after("exit-code", Some(Ended::Exited(70))));
    }

    #[test]
    fn a_burst_of_starts_is_refused_until_its_interval_is_over() {
        let mut service = service("StartLimitBurst=2\nStartLimitIntervalSec=10");
        let now = Instant::now();
        assert!(service.may_start(now) && service.may_start(now) && !service.may_start(now));
        assert!(service.may_start(now + Duration::from_secs(11)));
    }

    #[test]
    fn a_state_is_shown_with_the_time_since_when_and_the_files_of_the_unit() {
        let shown = |service: &Service, key: &str| {
            service.properties().into_iter().find(|(name, _)| name == key).map(|(_, value)| value).unwrap()
        };
        let mut service = service("Restart=no");
        assert_eq!(shown(&service, "StateChangeTimestamp"), "", "it was never in another");
        service.enter(Phase::Failed, "failed");
        service.changed = Some(UNIX_EPOCH + Duration::from_millis(1_795_788_153_999));
        assert_eq!(shown(&service, "StateChangeTimestamp"), "Fri 2026-11-27 14:02:33 UTC");
        service.unit.drop_ins = ["/etc/a.conf", "/run/b.conf"].map(Into::into).to_vec();
        assert_eq!(shown(&service, "DropInPaths"), "/etc/a.conf /run/b.conf");
    }

    #[test]
    fn an_asked_stop_is_never_followed_by_a_restart() {
        let mut service = service("Restart=always");
        service.stop_asked = true;
        assert!(!service.restarts_after("signal", None));
    }
}
