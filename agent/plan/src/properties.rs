//! server.properties: the base file with the identity of the slot written over it.
//!
//! Identity keys are berth's; every other key and every comment is the user's and stays as it was, byte for byte. The
//! format is Java's (java.util.Properties.load): Latin-1, `#` and `!` comments, continuation lines, `=`, `:` or white
//! space after the key, `\u` escapes.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The keys that berth writes. Found in the base file they are replaced. `node.id` is another spelling of
/// `broker.id`, and Kafka refuses to start where the two differ.
pub const IDENTITY_KEYS: [&str; 8] = [
    "broker.id",
    "node.id",
    "broker.id.generation.enable",
    "broker.rack",
    "listeners",
    "advertised.listeners",
    "log.dirs",
    "zookeeper.connect",
];

/// The identity of a slot, as Kafka reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `broker.id`.
    pub id: crate::BrokerId,
    /// `broker.rack`.
    pub rack: String,
    /// `listeners` and `advertised.listeners`, address filled in.
    pub listeners: Vec<String>,
    /// `log.dirs`.
    pub log_dir: String,
    /// `zookeeper.connect`, chroot included.
    pub zookeeper: String,
}

impl Identity {
    fn entries(&self) -> Vec<(&'static str, String)> {
        let listeners = self.listeners.join(",");
        vec![
            ("broker.id", self.id.to_string()),
            ("broker.id.generation.enable", "false".to_owned()),
            ("broker.rack", self.rack.clone()),
            ("listeners", listeners.clone()),
            ("advertised.listeners", listeners),
            ("log.dirs", self.log_dir.clone()),
            ("zookeeper.connect", self.zookeeper.clone()),
        ]
    }
}

/// A written file, and which identity keys of the base file it replaced, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// Line of the base file, and key.
    pub replaced: Vec<(usize, String)>,
}

/// Writes the identity over the base file.
pub fn write(base: &[u8], identity: &Identity) -> Written {
    let mut bytes = Vec::with_capacity(base.len() + 512);
    let mut replaced = Vec::new();
    for line in logical_lines(base) {
        match line.key.filter(|key| IDENTITY_KEYS.contains(&key.as_str())) {
            Some(key) => replaced.push((line.number, key)),
            None => bytes.extend_from_slice(line.bytes),
        }
    }
    let end = if base.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
    if !bytes.is_empty() && !bytes.ends_with(b"\n") && !bytes.ends_with(b"\r") {
        bytes.extend_from_slice(end.as_bytes());
    }
    // The blank line also ends a continuation that the base file leaves open.
    let mut block =
        format!("{end}# The identity of slot {}, written by berth at each boot.{end}", identity.id);
    for (key, value) in identity.entries() {
        block.push_str(key);
        block.push('=');
        escape(&value, &mut block);
        block.push_str(end);
    }
    bytes.extend_from_slice(block.as_bytes());
    Written { bytes, replaced }
}

/// What the file says, the last of several entries of one key counting, as in Java.
pub fn read(file: &[u8]) -> BTreeMap<String, String> {
    logical_lines(file)
        .filter_map(|line| {
            let key = line.key?;
            let content = joined(line.bytes);
            let rest = &content[key_length(&content)..];
            let rest = skip_separator(rest);
            Some((key, unescape(rest)))
        })
        .collect()
}

struct Logical<'a> {
    /// Number of its first natural line, from 1.
    number: usize,
    /// All its natural lines with their ends.
    bytes: &'a [u8],
    /// Its key; none for a comment or a blank line.
    key: Option<String>,
}

fn logical_lines(file: &[u8]) -> impl Iterator<Item = Logical<'_>> {
    let (mut rest, mut number) = (file, 1);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut length = natural_line(rest);
        let mut natural = 1;
        let plain = first_byte(&rest[..length]).is_some_and(|b| b != b'#' && b != b'!');
        if plain {
            let mut last = 0;
            while continues(&rest[last..length]) && length < rest.len() {
                last = length;
                length += natural_line(&rest[length..]);
                natural += 1;
            }
        }
        let bytes = &rest[..length];
        let key = plain.then(|| {
            let content = joined(bytes);
            unescape(&content[..key_length(&content)])
        });
        let line = Logical { number, bytes, key };
        rest = &rest[length..];
        number += natural;
        Some(line)
    })
}

/// Length of the first natural line with its end: `\n`, `\r` or `\r\n`.
fn natural_line(bytes: &[u8]) -> usize {
    match bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        None => bytes.len(),
        Some(at) if bytes[at..].starts_with(b"\r\n") => at + 2,
        Some(at) => at + 1,
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
    &line[..end]
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

fn first_byte(line: &[u8]) -> Option<u8> {
    without_end(line).iter().copied().find(|b| !is_space(*b))
}

/// An odd number of backslashes at the end of a line joins the next one to it.
fn continues(line: &[u8]) -> bool {
    let line = without_end(line);
    line.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// The logical line without its ends, without the white space that opens each natural line.
fn joined(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let length = natural_line(bytes);
        let line = without_end(&bytes[..length]);
        let start = line.iter().position(|b| !is_space(*b)).unwrap_or(line.len());
        let end = if continues(line) { line.len() - 1 } else { line.len() };
        content.extend_from_slice(&line[start.min(end)..end]);
        bytes = &bytes[length..];
    }
    content
}

fn key_length(content: &[u8]) -> usize {
    let mut escaped = false;
    content
        .iter()
        .position(|b| {
            let ends = !escaped && (is_space(*b) || matches!(b, b'=' | b':'));
            escaped = *b == b'\\' && !escaped;
            ends
        })
        .unwrap_or(content.len())
}

fn skip_separator(rest: &[u8]) -> &[u8] {
    let skip = |bytes: &[u8]| bytes.iter().position(|b| !is_space(*b)).unwrap_or(bytes.len());
    let rest = &rest[skip(rest)..];
    match rest.first() {
        Some(b'=' | b':') => &rest[1 + skip(&rest[1..])..],
        _ => rest,
    }
}

fn unescape(bytes: &[u8]) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            units.push(u16::from(*first));
            continue;
        }
        let Some((next, tail)) = rest.split_first() else { break };
        rest = tail;
        units.push(match next {
            b't' => 9,
            b'n' => 10,
            b'r' => 13,
            b'f' => 12,
            b'u' => {
                match rest.get(..4).and_then(|h| u16::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok()) {
                    Some(unit) => {
                        rest = &rest[4..];
                        unit
                    }
                    None => u16::from(b'u'),
                }
            }
            other => u16::from(*other),
        });
    }
    String::from_utf16_lossy(&units)
}

fn escape(value: &str, out: &mut String) {
    for (at, c) in value.chars().enumerate() {
        match c {
            ' ' if at == 0 => out.push_str("\\ "),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("writing to a String cannot fail");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
