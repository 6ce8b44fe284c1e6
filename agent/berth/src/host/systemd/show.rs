//! What `systemctl show` prints, in our own types.

use berth_lifecycle::ports::{Unit, UnitState};
use berth_plan::remote_text::bounded;
use berth_plan::service::start_command::StartCommand;
use std::collections::BTreeMap;
use std::time::Duration;

/// Properties of one unit. A property that is a list may come on several lines.
pub(super) struct Shown(BTreeMap<String, Vec<String>>);

impl Shown {
    pub(super) fn read(text: &str) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            values.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Self(values)
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    fn value(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    fn is_missing(&self) -> bool {
        matches!(self.value("LoadState"), "not-found" | "bad-setting" | "error" | "masked")
    }

    pub(super) fn unit(&self) -> Unit {
        let state = match self.value("ActiveState") {
            _ if self.is_missing() => UnitState::Missing,
            "active" | "reloading" => UnitState::Active,
            "activating" => UnitState::Activating,
            "deactivating" => UnitState::Deactivating,
            "failed" => UnitState::Failed,
            _ => UnitState::Inactive,
        };
        let invocation = self.value("InvocationID").to_owned();
        Unit { state, invocation, result: bounded(self.value("Result")) }
    }

    /// The command; none where there is no such unit. The files of its environment are left to the caller.
    pub(super) fn start_command(&self) -> Option<StartCommand> {
        if self.is_missing() {
            return None;
        }
        let directory = self.value("WorkingDirectory").trim_start_matches(['!', '-']);
        let text: Vec<&str> = self.all("ExecStart").filter_map(words).collect();
        let files = self.all("FragmentPath").chain(self.all("DropInPaths").flat_map(str::split_whitespace));
        Some(StartCommand {
            text: text.join(" "),
            environment: self
                .all("Environment")
                .flat_map(quoted)
                .filter_map(|pair| assigned(&pair))
                .collect(),
            directory: if directory.is_empty() { "/".to_owned() } else { directory.to_owned() },
            files: files.map(str::to_owned).collect(),
        })
    }

    /// The files of `EnvironmentFile=`, printed as `/etc/kafka/kafka.env (ignore_errors=yes)`.
    pub(super) fn environment_files(&self) -> Vec<String> {
        let path = |line: &str| line.split(" (ignore_errors=").next().unwrap_or_default().to_owned();
        self.all("EnvironmentFiles").map(path).filter(|path| !path.is_empty()).collect()
    }

    /// `TimeoutStopSec=`, as `1min 30s`; none for `infinity`, and where it was not shown.
    pub(super) fn stop_timeout(&self) -> Option<Duration> {
        let text = self.value("TimeoutStopUSec");
        text.split_whitespace().map(span).sum::<Option<Duration>>().filter(|_| !text.is_empty())
    }
}

/// The words of `{ path=… ; argv[]=… ; ignore_errors=no ; … }`, joined with blanks as systemd prints them.
fn words(command: &str) -> Option<&str> {
    let (_, argv) = command.split_once("argv[]=")?;
    argv.split(" ; ignore_errors=").next()
}

/// One part of a span as systemd prints it (systemd.time(7)).
fn span(part: &str) -> Option<Duration> {
    let (number, unit) = part.split_at(part.find(|c: char| c.is_ascii_alphabetic())?);
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "min" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        "d" => Duration::from_secs(number.saturating_mul(86_400)),
        _ => return None,
    })
}

/// Words between blanks; a pair of quotes holds blanks.
fn quoted(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn assigned(pair: &str) -> Option<(String, String)> {
    let (key, value) = pair.split_once('=')?;
    Some((key.trim().to_owned(), value.trim().to_owned()))
}

/// The assignments of an `EnvironmentFile=` (systemd.exec(5)).
pub(super) fn environment_of(file: &str) -> BTreeMap<String, String> {
    let lines = file.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(assigned);
    pairs.map(|(key, value)| (key, quoted(&value).join(" "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_waits_for_its_restart_is_not_failed() {
        let text = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nInvocationID=ab\nResult=exit-code\n";
        let expected =
            Unit { state: UnitState::Activating, invocation: "ab".into(), result: "exit-code".into() };
        assert_eq!(Shown::read(text).unit(), expected);
    }

    #[test]
    fn a_unit_without_a_file_is_missing_and_starts_nothing() {
        let shown = Shown::read("LoadState=not-found\nActiveState=inactive\n");
        assert_eq!((shown.unit().state, shown.start_command()), (UnitState::Missing, None));
    }

    #[test]
    fn the_command_of_a_unit_has_its_words_its_environment_and_its_files() {
        // systemd 252.
        let text = "LoadState=loaded\n\
            ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c exec start.sh $CONF ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\n\
            Environment=LOG_DIR=/var/log/kafka \"OPTS=-Da=b -Dc=d\"\n\
            EnvironmentFiles=/etc/kafka/kafka.env (ignore_errors=yes)\n\
            EnvironmentFiles=/etc/default/kafka (ignore_errors=no)\n\
            WorkingDirectory=!/opt/kafka\n\
            FragmentPath=/usr/lib/systemd/system/kafka.service\n\
            DropInPaths=/etc/systemd/system/kafka.service.d/a.conf /etc/systemd/system/kafka.service.d/b.conf\n";
        let shown = Shown::read(text);
        let expected = StartCommand {
            text: "/bin/sh -c exec start.sh $CONF".to_owned(),
            environment: [("LOG_DIR", "/var/log/kafka"), ("OPTS", "-Da=b -Dc=d")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            directory: "/opt/kafka".to_owned(),
            files: [
                "/usr/lib/systemd/system/kafka.service",
                "/etc/systemd/system/kafka.service.d/a.conf",
                "/etc/systemd/system/kafka.service.d/b.conf",
            ]
            .map(str::to_owned)
            .into(),
        };
        assert_eq!(shown.start_command(), Some(expected));
        assert_eq!(shown.environment_files(), ["/etc/kafka/kafka.env", "/etc/default/kafka"]);
    }

    #[test]
    fn a_file_of_variables_has_comments_and_quotes() {
        let read = environment_of(
            "# heap\nKAFKA_HEAP_OPTS=\"-Xms6g -Xmx6g\"\n;x=y\nCONF = /etc/kafka/a.properties\n",
        );
        let expected = [("KAFKA_HEAP_OPTS", "-Xms6g -Xmx6g"), ("CONF", "/etc/kafka/a.properties")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_time_out_is_read_as_systemd_prints_it() {
        let of = |text: &str| Shown::read(&format!("TimeoutStopUSec={text}\n")).stop_timeout();
        assert_eq!(of("10min"), Some(Duration::from_secs(600)));
        assert_eq!(of("1min 30s"), Some(Duration::from_secs(90)));
        assert_eq!(of("infinity"), None);
        assert_eq!(Shown::read("").stop_timeout(), None);
    }
}
