//! The values of the configuration that are one word each: paths, names, options, durations.

use crate::ids::{LogicalId, NotAnId};
use crate::slot::{NamePattern, Parts};
use std::time::Duration;

/// A name that is looked up elsewhere, by its bytes.
pub(super) fn word(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':' || c == '/') {
        return Err(format!("\"{text}\" is no name of a user"));
    }
    Ok(text.to_owned())
}

/// The `Name` tag of a slot's parts. It is an EC2 filter too, in which `*`, `?` and `\\` have a meaning (EC2 user guide,
/// "List and filter your resources").
pub(super) fn name(text: &str) -> Result<NamePattern, String> {
    if let Some(odd) = text.chars().find(|c| c.is_control() || "*?\\".contains(*c)) {
        return Err(format!(
            "\"{text}\" has the character {odd:?}, which a filter of EC2 does not take as such"
        ));
    }
    NamePattern::new(text)
        .ok_or_else(|| format!("\"{text}\" must hold {{id}} exactly once, as \"KAFKA-{{id}}\""))
}

/// A cluster's name is a node name in ZooKeeper and a tag's value.
pub(super) fn cluster(text: &str) -> Result<String, String> {
    let fits =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && !text.starts_with('.');
    if text.is_empty() || !fits {
        return Err(format!("\"{text}\" must be letters, digits, '-', '_' and '.', and not begin with '.'"));
    }
    Ok(text.to_owned())
}

/// A path as the kernel has it: `/proc/self/mountinfo` knows no `//` and no `..`, and a mount that is looked for under
/// another spelling is never found.
pub(super) fn absolute(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if !text.starts_with('/') || parts.is_empty() {
        return Err(format!("\"{text}\" must be an absolute path, and not /"));
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(format!("\"{text}\" has a part . or ..: write the path that it leads to"));
    }
    let clean = format!("/{}", parts.join("/"));
    if text.contains("//") {
        return Err(format!("\"{text}\" has an empty part (//): write \"{clean}\""));
    }
    one_spelling(&clean)?;
    Ok(clean)
}

/// Blanks around a value and control characters in it: Kafka and systemd take them off or split at them
/// (`ConfigDef.parseType` trims each string), the kernel does not.
pub(super) fn one_spelling(text: &str) -> Result<(), String> {
    if let Some(odd) = text.chars().find(|c| c.is_control()) {
        return Err(format!(
            "{text:?} has the character {odd:?}, which no reader after berth keeps: take it out"
        ));
    }
    if text.split('/').any(|part| part.trim() != part) {
        return Err(format!("\"{text}\" has a blank at the end of a name: take it out"));
    }
    Ok(())
}

/// The mount point. The log dir lies below it, and Kafka splits `log.dirs` at commas.
pub(super) fn mount(text: &str) -> Result<String, String> {
    if text.contains(',') {
        return Err(format!("\"{text}\" has a comma, at which Kafka splits log.dirs: take it out"));
    }
    absolute(text)
}

pub(super) fn log_dir(mount: &str, text: &str) -> Result<String, String> {
    match text {
        "." => Ok(mount.to_owned()),
        _ if text.is_empty() || text.starts_with('/') || text.contains(',') => {
            Err(format!("\"{text}\" must be one directory below the mount ({mount}), or \".\""))
        }
        _ if text.split('/').any(|part| matches!(part, "." | "..")) => {
            Err(format!("\"{text}\" must not hold . or .."))
        }
        _ if text.contains("//") => {
            let clean: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
            Err(format!("\"{text}\" has an empty part (//): write \"{}\"", clean.join("/")))
        }
        _ => absolute(&format!("{mount}/{text}")),
    }
}

pub(super) fn parts(texts: &[String]) -> Result<Parts, String> {
    let mut parts = Parts { eni: false, volume: false };
    for text in texts {
        match text.as_str() {
            "eni" => parts.eni = true,
            "volume" => parts.volume = true,
            other => return Err(format!("\"{other}\" is neither \"eni\" nor \"volume\"")),
        }
    }
    if !parts.eni && !parts.volume {
        return Err("a slot needs at least one part: nothing else makes its holder the only one".to_owned());
    }
    Ok(parts)
}

/// As systemd names units (systemd.unit(5), "String Escaping"): the name itself, not what `systemctl` completes.
pub(super) fn unit(text: &str) -> Result<String, String> {
    let Some(name) = text.strip_suffix(".service") else {
        let is_bare = !text.is_empty() && text.bytes().all(unit_byte) && !text.contains('.');
        let advice = if is_bare { format!("; write \"{text}.service\"") } else { String::new() };
        return Err(format!("\"{text}\" is no name of a service unit, as kafka.service{advice}"));
    };
    if name.ends_with('@') {
        return Err(format!(
            "\"{text}\" is a template, of which nothing can be started: name an instance of it, as \"{name}1.service\""
        ));
    }
    let is_name = !name.is_empty() && !name.starts_with(['-', '@']) && name.bytes().all(unit_byte);
    // UNIT_NAME_MAX of systemd.
    if is_name && text.len() < 256 {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is no name of a service unit, as kafka.service"))
    }
}

fn unit_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.@:\\".contains(&byte)
}

/// `broker.rack`: Kafka takes blanks off at both ends, and a node of a registration is read by others.
pub(super) fn rack(text: &str) -> Result<String, String> {
    const HOLES: [&str; 2] = ["{zone}", "{zone-id}"];
    let rest = HOLES.iter().fold(text.to_owned(), |rest, hole| rest.replace(hole, ""));
    if rest.contains(['{', '}']) {
        return Err(format!("\"{text}\": only {} is filled in here", HOLES.join(" and ")));
    }
    if text.is_empty() || text.trim() != text || text.contains(char::is_control) {
        return Err(format!(
            "\"{text}\" is no rack: it has a blank at an end, a control character, or nothing"
        ));
    }
    Ok(text.to_owned())
}

/// Options for the kernel; words that only fstab(5) knows would reach the file system, which refuses them.
pub(super) fn mount_options(text: &str) -> Result<Vec<String>, String> {
    const FSTAB: [&str; 10] =
        ["defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "owner", "group", "loop"];
    // Kafka writes, and each of the others is another kind of mount (mount(2)).
    const OTHERS: [&str; 6] = ["ro", "bind", "rbind", "move", "remount", "norecovery"];
    let options: Vec<String> =
        text.split(',').map(str::trim).filter(|o| !o.is_empty()).map(str::to_owned).collect();
    if let Some(option) =
        options.iter().find(|o| FSTAB.contains(&o.as_str()) || o.to_lowercase().starts_with("x-"))
    {
        return Err(format!("\"{option}\" is an option of fstab, not of a mount; leave it out"));
    }
    if let Some(option) = options.iter().find(|o| OTHERS.contains(&o.as_str())) {
        return Err(format!("\"{option}\" makes no mount on which Kafka could run; leave it out"));
    }
    match options.iter().find(|o| o.contains(|c: char| c.is_whitespace() || c.is_control())) {
        Some(option) => Err(format!("\"{option}\" has a blank: options are joined by commas")),
        None => Ok(options),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("\"{text}\" is no duration of 1 minute to 12 hours, as \"30m\"");
    let length = humantime::parse_duration(text).map_err(|_| refused())?;
    let (least, most) = (Duration::from_secs(60), Duration::from_secs(12 * 3_600));
    if (least..=most).contains(&length) { Ok(length) } else { Err(refused()) }
}

/// To whom something is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// As the instance's tags say.
    Auto,
    /// To nobody.
    Nobody,
    /// To this one.
    Named(String),
}

/// To whom something is told; `name` reads a name as AWS allows it.
pub(super) fn telling<T: std::str::FromStr<Err = NotAnId> + std::fmt::Display>(
    text: &str,
) -> Result<Telling, String> {
    Ok(match text {
        "auto" => Telling::Auto,
        "none" => Telling::Nobody,
        "" => return Err("is empty: write \"none\" where nobody is told".to_owned()),
        name => Telling::Named(name.parse::<T>().map_err(|error| error.to_string())?.to_string()),
    })
}

/// The logical id in the stack; none is "from the tags".
pub(super) fn resource(text: &str) -> Result<Option<String>, String> {
    match text {
        "auto" => Ok(None),
        name => name.parse::<LogicalId>().map(|id| Some(id.to_string())).map_err(|error| error.to_string()),
    }
}
