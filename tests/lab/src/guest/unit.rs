//! Unit files as `systemd.unit(5)` and `systemd.service(5)` describe them, as far as the lab's units use them: sections,
//! continuation lines, drop-ins, lists that an empty value resets, exec prefixes, quoting and environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub use words::{environment_file, expand, split};

mod words;

/// Where unit files are looked for, first match wins.
pub const DIRECTORIES: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// One command line of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The words, not yet expanded.
    pub words: Vec<String>,
    /// `-`: a failure does not count.
    pub ignore_failure: bool,
    /// `+` or `!`: run as root whatever User= says.
    pub privileged: bool,
}

/// How a service tells that it is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `simple` and `exec`: as soon as it runs.
    Simple,
    /// When its only command has ended.
    Oneshot,
    /// When it sends READY=1.
    Notify,
}

/// When a service is started again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    No,
    /// After anything but a clean end.
    OnFailure,
    /// After a signal, time-out or watchdog only.
    OnAbnormal,
    /// Whatever the end was.
    Always,
}

/// One service as its files say it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// With its suffix.
    pub name: String,
    /// The main file, if there is one.
    pub fragment: Option<PathBuf>,
    /// The drop-ins, in the order in which they count.
    pub drop_ins: Vec<PathBuf>,
    /// For people.
    pub description: String,
    /// Paths of ConditionPathExists=, with a leading `!` for "must not".
    pub conditions: Vec<String>,
    /// Units of After=.
    pub after: Vec<String>,
    /// Units of Requires= and Wants=, started along with it.
    pub wants: Vec<String>,
    /// Targets of WantedBy=.
    pub wanted_by: Vec<String>,
    /// Type=.
    pub kind: Kind,
    /// ExecStartPre=, ExecStart=, ExecStartPost=, ExecStop=, ExecStopPost=.
    pub start_pre: Vec<Exec>,
    /// ExecStart=.
    pub start: Vec<Exec>,
    /// ExecStartPost=.
    pub start_post: Vec<Exec>,
    /// ExecStop=.
    pub stop: Vec<Exec>,
    /// ExecStopPost=.
    pub stop_post: Vec<Exec>,
    /// Restart=.
    pub restart: Restart,
    /// RestartSec=.
    pub restart_after: Duration,
    /// StartLimitBurst= and StartLimitIntervalSec=.
    pub start_limit: (usize, Duration),
    /// User= and Group=.
    pub user: Option<String>,
    /// Group=.
    pub group: Option<String>,
    /// Environment=.
    pub environment: Vec<(String, String)>,
    /// EnvironmentFile=, with a leading `-` for "may be missing".
    pub environment_files: Vec<String>,
    /// TimeoutStartSec=; none is for ever.
    pub start_timeout: Option<Duration>,
    /// TimeoutStopSec=; none is for ever.
    pub stop_timeout: Option<Duration>,
    /// SuccessExitStatus= beside 0.
    pub success_status: Vec<String>,
    /// RestartPreventExitStatus=.
    pub restart_prevent: Vec<String>,
    /// RestartForceExitStatus=.
    pub restart_force: Vec<String>,
    /// RemainAfterExit=.
    pub remain: bool,
    /// LimitNOFILE=.
    pub files: Option<String>,
    /// WorkingDirectory=.
    pub directory: Option<String>,
    /// RuntimeDirectory=, StateDirectory= and LogsDirectory=, as absolute paths.
    pub directories: Vec<String>,
    /// Keys that this reader does not know, for a debug line.
    pub unknown: Vec<String>,
}

impl Unit {
    fn empty(name: &str) -> Unit {
        Unit {
            name: name.to_owned(),
            fragment: None,
            drop_ins: Vec::new(),
            description: name.to_owned(),
            conditions: Vec::new(),
            after: Vec::new(),
            wants: Vec::new(),
            wanted_by: Vec::new(),
            kind: Kind::Simple,
            start_pre: Vec::new(),
            start: Vec::new(),
            start_post: Vec::new(),
            stop: Vec::new(),
            stop_post: Vec::new(),
            restart: Restart::No,
            restart_after: Duration::from_millis(100),
            start_limit: (5, Duration::from_secs(10)),
            user: None,
            group: None,
            environment: Vec::new(),
            environment_files: Vec::new(),
            start_timeout: Some(Duration::from_secs(90)),
            stop_timeout: Some(Duration::from_secs(90)),
            success_status: Vec::new(),
            restart_prevent: Vec::new(),
            restart_force: Vec::new(),
            remain: false,
            files: None,
            directory: None,
            directories: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Reads a unit and its drop-ins from these directories; `None` when there is no such unit.
    pub fn load(name: &str, directories: &[PathBuf]) -> Option<Unit> {
        let fragment = directories.iter().map(|d| d.join(name)).find(|path| path.is_file())?;
        let mut texts = vec![fs::read_to_string(&fragment).ok()?];
        // A drop-in of an earlier directory hides one of the same name in a later directory; all are read in order of name.
        let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
        for directory in directories.iter().rev() {
            let entries = fs::read_dir(directory.join(format!("{name}.d"))).into_iter().flatten().flatten();
            for path in entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "conf")) {
                if let Some(file) = path.file_name() {
                    drop_ins.insert(file.to_string_lossy().into_owned(), path.clone());
                }
            }
        }
        let drop_ins: Vec<PathBuf> = drop_ins.into_values().collect();
        texts.extend(drop_ins.iter().filter_map(|path| fs::read_to_string(path).ok()));
        let mut unit = Unit::parse(name, &texts);
        (unit.fragment, unit.drop_ins) = (Some(fragment), drop_ins);
        Some(unit)
    }

    /// Understands the main file and its drop-ins, in that order.
    pub fn parse(name: &str, texts: &[String]) -> Unit {
        let mut unit = Unit::empty(name);
        let mut timeout_start_set = false;
        for text in texts {
            for (section, key, value) in assignments(text) {
                timeout_start_set |= key == "TimeoutStartSec" || key == "TimeoutSec";
                unit.set(&section, &key, &specifiers(&value, name));
            }
        }
        // systemd.service(5): oneshot units have no start time-out unless they set one.
        if unit.kind == Kind::Oneshot && !timeout_start_set {
            unit.start_timeout = None;
        }
        unit
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        let words = || value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let below = |base: &str| words().iter().map(|name| format!("{base}/{name}")).collect::<Vec<_>>();
        match (section, key) {
            ("Unit", "Description") => self.description = value.to_owned(),
            ("Unit", "ConditionPathExists") => list(&mut self.conditions, value, vec![value.to_owned()]),
            ("Unit", "After") => self.after.extend(words()),
            ("Unit", "Requires" | "Wants" | "BindsTo" | "Requisite") => self.wants.extend(words()),
            ("Unit" | "Service", "StartLimitBurst") => {
                self.start_limit.0 = value.parse().unwrap_or(self.start_limit.0)
            }
            ("Unit" | "Service", "StartLimitIntervalSec" | "StartLimitInterval") => {
                self.start_limit.1 = seconds(value).flatten().unwrap_or(Duration::ZERO);
            }
            ("Service", "Type") => {
                self.kind = match value {
                    "oneshot" => Kind::Oneshot,
                    "notify" | "notify-reload" => Kind::Notify,
                    _ => Kind::Simple,
                }
            }
            ("Service", "ExecStartPre") => list(&mut self.start_pre, value, exec(value)),
            ("Service", "ExecStart") => list(&mut self.start, value, exec(value)),
            ("Service", "ExecStartPost") => list(&mut self.start_post, value, exec(value)),
            ("Service", "ExecStop") => list(&mut self.stop, value, exec(value)),
            ("Service", "ExecStopPost") => list(&mut self.stop_post, value, exec(value)),
            ("Service", "Restart") => {
                self.restart = match value {
                    "always" => Restart::Always,
                    "on-failure" => Restart::OnFailure,
                    "on-abnormal" | "on-abort" => Restart::OnAbnormal,
                    _ => Restart::No,
                }
            }
            ("Service", "RestartSec") => {
                self.restart_after = seconds(value).flatten().unwrap_or(self.restart_after)
            }
            ("Service", "User") => self.user = Some(value.to_owned()).filter(|u| !u.is_empty()),
            ("Service", "Group") => self.group = Some(value.to_owned()).filter(|g| !g.is_empty()),
            ("Service", "Environment") => {
                let pairs = split(value)
                    .iter()
                    .filter_map(|w| w.split_once('='))
                    .map(|(k, v)| (k.into(), v.into()))
                    .collect();
                list(&mut self.environment, value, pairs);
            }
            ("Service", "EnvironmentFile") => {
                list(&mut self.environment_files, value, vec![value.to_owned()])
            }
            ("Service", "TimeoutStartSec") => {
                self.start_timeout = seconds(value).unwrap_or(self.start_timeout)
            }
            ("Service", "TimeoutStopSec") => self.stop_timeout = seconds(value).unwrap_or(self.stop_timeout),
            ("Service", "TimeoutSec") => {
                self.start_timeout = seconds(value).unwrap_or(self.start_timeout);
                self.stop_timeout = self.start_timeout;
            }
            ("Service", "SuccessExitStatus") => list(&mut self.success_status, value, words()),
            ("Service", "RestartForceExitStatus") => list(&mut self.restart_force, value, words()),
            ("Service", "RestartPreventExitStatus") => list(&mut self.restart_prevent, value, words()),
            ("Service", "RemainAfterExit") => self.remain = matches!(value, "yes" | "true" | "on" | "1"),
            ("Service", "LimitNOFILE") => self.files = Some(value.to_owned()),
            ("Service", "WorkingDirectory") => {
                self.directory = Some(value.trim_start_matches('-').to_owned())
            }
            ("Service", "RuntimeDirectory") => self.directories.extend(below("/run")),
            ("Service", "LogsDirectory") => self.directories.extend(below("/var/log")),
            ("Service", "StateDirectory") => self.directories.extend(below("/var/lib")),
            ("Install", "WantedBy" | "RequiredBy") => self.wanted_by.extend(words()),
            _ => self.unknown.push(format!("[{section}] {key}")),
        }
    }
}

/// An empty value resets a list, as systemd does.
fn list<T>(list: &mut Vec<T>, value: &str, more: Vec<T>) {
    if value.is_empty() {
        list.clear();
    } else {
        list.extend(more);
    }
}

/// `(section, key, value)` of every assignment.
fn assignments(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut pending = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.starts_with(';') {
            continue;
        }
        if let Some(part) = trimmed.strip_suffix('\\') {
            pending.push_str(part.trim_end());
            pending.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut pending) + trimmed;
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

fn specifiers(value: &str, name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let instance = stem.split_once('@').map_or("", |(_, instance)| instance);
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some('n')) => out.push_str(name),
            ('%', Some('N' | 'p')) => out.push_str(stem),
            ('%', Some('i' | 'I')) => out.push_str(instance),
            ('%', Some('t')) => out.push_str("/run"),
            ('%', Some('%')) => out.push('%'),
            ('%', Some(other)) => out.extend(['%', other]),
            (plain, _) => out.push(plain),
        }
    }
    out
}

/// A span of time as `systemd.time(7)` writes it; `Some(None)` is "infinity", `None` is not understood.
pub fn seconds(value: &str) -> Option<Option<Duration>> {
    if value == "infinity" {
        return Some(None);
    }
    if let Ok(plain) = value.parse::<f64>() {
        return Some(Some(Duration::from_secs_f64(plain.max(0.0))));
    }
    humantime::parse_duration(value).ok().map(Some)
}

fn exec(value: &str) -> Vec<Exec> {
    let mut rest = value;
    let (mut ignore_failure, mut privileged) = (false, false);
    loop {
        match rest.chars().next() {
            Some('-') => ignore_failure = true,
            Some('+' | '!') => privileged = true,
            Some('@' | ':') => {}
            _ => break,
        }
        rest = &rest[1..];
    }
    let words = split(rest);
    if words.is_empty() { Vec::new() } else { vec![Exec { words, ignore_failure, privileged }] }
}

#[cfg(test)]
mod tests;
