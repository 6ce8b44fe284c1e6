//! Which file the service reads, by the command that its unit starts.
//!
//! `kafka-server-start.sh` hands its words on to `kafka.Kafka`, whose first argument is the properties file; each
//! `--override key=value` after it wins over the file (Kafka 3.9, `Kafka.getPropsFromArgs`). A broker that reads
//! another file than berth wrote comes up with another identity on this slot's volume.

use super::properties::IDENTITY_KEYS;
use std::collections::BTreeMap;

/// The command of a unit, as the service manager has it loaded: drop-ins are in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartCommand {
    /// `ExecStart=`, all its words, variables not filled in.
    pub text: String,
    /// `Environment=` and the files of `EnvironmentFile=`, the later one counting.
    pub environment: BTreeMap<String, String>,
    /// `WorkingDirectory=`; `/` where the unit has none.
    pub directory: String,
    /// The unit's file and its drop-ins.
    pub files: Vec<String>,
}

/// What the command says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// It names the file that berth writes.
    Written,
    /// It names no file: a wrapper decides, and nothing is proven.
    Unknown,
}

/// Why Kafka would not have the identity that berth wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misled {
    /// The command names another file: as it stands there, and the file that this is.
    OtherFile {
        /// The word of the command.
        word: String,
        /// Where it leads.
        file: String,
    },
    /// The command sets a key that is berth's to write.
    Override(String),
}

/// Whether the command makes Kafka read `written`, the file's own path, links followed. `file_of` follows the links of any
/// path.
pub fn reads(
    command: &StartCommand,
    written: &str,
    file_of: impl Fn(&str) -> String,
) -> Result<Reads, Misled> {
    let text = filled_in(&command.text, &command.environment);
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['"', '\'', ';'])).collect();
    let mut found = Reads::Unknown;
    for word in &words {
        // A shell's variable cannot be known here; an option names other files, as -Dlog4j.configuration=file:… does.
        if word.contains('$') || word.starts_with('-') {
            continue;
        }
        let path = if word.starts_with('/') {
            (*word).to_owned()
        } else {
            format!("{}/{word}", command.directory.trim_end_matches('/'))
        };
        let file = file_of(&path);
        if file == written {
            found = Reads::Written;
            break;
        }
        if word.ends_with(".properties") {
            return Err(Misled::OtherFile { word: (*word).to_owned(), file });
        }
    }
    match overridden(&words) {
        Some(key) => Err(Misled::Override(key)),
        None => Ok(found),
    }
}

/// The first identity key that an `--override` sets.
fn overridden(words: &[&str]) -> Option<String> {
    let following = words.windows(2).filter(|pair| pair[0] == "--override").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--override="));
    let mut keys = following.chain(joined).filter_map(|setting| setting.split('=').next());
    keys.find(|key| IDENTITY_KEYS.contains(key)).map(str::to_owned)
}

/// `$NAME` and `${NAME}` as systemd.service(5) fills them in. One that is not known stays as it is.
fn filled_in(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, end) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match environment.get(name) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&rest[at..=at + end]),
        }
        rest = &after[end..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "/etc/kafka/server.properties";

    /// `/etc/kafka/broker.properties` is a link to ours.
    fn links(path: &str) -> String {
        if path == "/etc/kafka/broker.properties" { OURS.to_owned() } else { path.to_owned() }
    }

    fn judged(text: &str) -> Result<Reads, Misled> {
        let environment = [("CONF", OURS), ("OTHER", "/opt/other.properties"), ("DIR", "/etc/kafka")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let command = StartCommand {
            text: text.to_owned(),
            environment,
            directory: "/etc/kafka".to_owned(),
            files: Vec::new(),
        };
        reads(&command, OURS, links)
    }

    #[test]
    fn a_command_that_names_our_file_however_it_is_spelled_is_proven() {
        for text in [
            "/opt/kafka/bin/kafka-server-start.sh /etc/kafka/server.properties",
            "/opt/kafka/bin/kafka-server-start.sh -daemon /etc/kafka/server.properties",
            "/opt/kafka/bin/kafka-server-start.sh /etc/kafka/broker.properties --override num.io.threads=9",
            "/opt/kafka/bin/kafka-server-start.sh server.properties",
            "/opt/kafka/bin/kafka-server-start.sh $CONF",
            "/opt/kafka/bin/kafka-server-start.sh ${DIR}/server.properties",
            "/bin/sh -c 'exec /opt/kafka/bin/kafka-server-start.sh \"/etc/kafka/server.properties\"'",
            "/usr/bin/java -Dlog4j.configuration=file:/etc/log4j.properties kafka.Kafka /etc/kafka/server.properties",
        ] {
            assert_eq!(judged(text), Ok(Reads::Written), "{text}");
        }
    }

    #[test]
    fn a_command_that_names_another_file_is_refused_with_what_it_names() {
        for (text, word, file) in [
            ("start.sh /opt/other.properties", "/opt/other.properties", "/opt/other.properties"),
            ("start.sh $OTHER", "/opt/other.properties", "/opt/other.properties"),
            ("start.sh other.properties", "other.properties", "/etc/kafka/other.properties"),
            (
                "start.sh /opt/other.properties /etc/kafka/server.properties",
                "/opt/other.properties",
                "/opt/other.properties",
            ),
        ] {
            let (word, file) = (word.to_owned(), file.to_owned());
            assert_eq!(judged(text), Err(Misled::OtherFile { word, file }), "{text}");
        }
    }

    #[test]
    fn an_identity_key_on_the_command_line_is_refused_in_both_spellings() {
        for text in
            ["--override broker.id=5", "--override=broker.id=5", "--override a=b --override broker.id=5"]
        {
            let refused = judged(&format!("start.sh /etc/kafka/server.properties {text}"));
            assert_eq!(refused, Err(Misled::Override("broker.id".to_owned())), "{text}");
        }
    }

    #[test]
    fn a_wrapper_proves_nothing() {
        for text in
            ["", "/usr/bin/docker run --net=host kafka", "/bin/sh -c 'kafka.sh $UNKNOWN/x.properties'"]
        {
            assert_eq!(judged(text), Ok(Reads::Unknown), "{text}");
        }
    }
}
