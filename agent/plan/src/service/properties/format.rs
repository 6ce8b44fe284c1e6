//! The format of java.util.Properties.load: Latin-1, `#` and `!` comments, continuation lines, `=`, `:` or white space
//! after the key, `\u` escapes.
//!
//! It follows the JDK's own reader (java/util/Properties.java, LineReader and loadConvert) also where the class's
//! documentation is silent. `tests/properties.rs` asks a JVM about every corner.

use std::fmt::Write;

/// A `\u` that four hexadecimal digits do not follow: Java loads nothing of such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{found}\" is no \\uXXXX escape, and Java loads no file with such a one; write \\\\ for a backslash that is meant as such"
)]
pub struct Malformed {
    /// Its line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
}

/// One entry, comment or blank line, with all the natural lines that it consists of.
pub(super) struct Logical<'a> {
    /// Number of its first natural line, from 1.
    pub(super) number: usize,
    /// All its natural lines with their ends.
    pub(super) bytes: &'a [u8],
    /// Its natural lines joined; empty for a comment or a blank line.
    content: Vec<u8>,
    /// Where in `content` each natural line begins.
    starts: Vec<usize>,
}

impl Logical<'_> {
    /// Its key; none for a comment or a blank line.
    pub(super) fn key(&self) -> Result<Option<String>, Malformed> {
        match self.content.is_empty() {
            true => Ok(None),
            false => self.unescaped(0, key_length(&self.content)).map(Some),
        }
    }

    /// Its value; empty for a comment or a blank line.
    pub(super) fn value(&self) -> Result<String, Malformed> {
        let after = key_length(&self.content);
        self.unescaped(after + separator_length(&self.content[after..]), self.content.len())
    }

    fn unescaped(&self, from: usize, to: usize) -> Result<String, Malformed> {
        let text = &self.content[from..to];
        unescape(text).map_err(|at| {
            let before = self.starts.iter().filter(|start| **start <= from + at).count();
            let found = text[at..].iter().take(6).map(|byte| char::from(*byte)).collect();
            Malformed { line: self.number + before - 1, found }
        })
    }
}

/// The file in pieces that together are the file.
pub(super) fn logical_lines(file: &[u8]) -> impl Iterator<Item = Logical<'_>> {
    let (mut rest, mut number) = (file, 1);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut length = natural_line(rest);
        let mut content = stripped(&rest[..length]).to_vec();
        let mut starts = vec![0];
        if content.first().is_some_and(|first| matches!(first, b'#' | b'!')) {
            content.clear();
        }
        // Where nothing was read so far, Java takes the next line for a new one, even after a backslash: it may be a
        // comment. A comment itself is never continued.
        let mut continued = !content.is_empty() && continues(&rest[..length]);
        while continued && length < rest.len() {
            let next = &rest[length..length + natural_line(&rest[length..])];
            starts.push(content.len());
            content.extend_from_slice(stripped(next));
            continued = continues(next);
            length += next.len();
        }
        let line = Logical { number, bytes: &rest[..length], content, starts };
        rest = &rest[length..];
        number += line.starts.len();
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

/// A natural line without its end, the white space before it, and the backslash that continues it.
fn stripped(line: &[u8]) -> &[u8] {
    let text = without_end(line);
    let text = if continues(line) { &text[..text.len() - 1] } else { text };
    let start = text.iter().position(|b| !is_space(*b)).unwrap_or(text.len());
    &text[start..]
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
    &line[..end]
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

/// An odd number of backslashes at the end of a line joins the next one to it.
fn continues(line: &[u8]) -> bool {
    without_end(line).iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
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

/// White space, and at most one `=` or `:` in it.
fn separator_length(rest: &[u8]) -> usize {
    let space = |bytes: &[u8]| bytes.iter().position(|b| !is_space(*b)).unwrap_or(bytes.len());
    let before = space(rest);
    match rest.get(before) {
        Some(b'=' | b':') => before + 1 + space(&rest[before + 1..]),
        _ => before,
    }
}

/// The error is the place of the backslash.
fn unescape(bytes: &[u8]) -> Result<String, usize> {
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (unit, length) = match &bytes[at..] {
            [b'\\', b'u', rest @ ..] => (hexadecimal(rest).ok_or(at)?, 6),
            [b'\\', b't', ..] => (9, 2),
            [b'\\', b'n', ..] => (10, 2),
            [b'\\', b'r', ..] => (13, 2),
            [b'\\', b'f', ..] => (12, 2),
            [b'\\', other, ..] => (u16::from(*other), 2),
            [plain, ..] => (u16::from(*plain), 1),
            [] => break,
        };
        units.push(unit);
        at += length;
    }
    Ok(String::from_utf16_lossy(&units))
}

fn hexadecimal(bytes: &[u8]) -> Option<u16> {
    bytes.get(..4)?.iter().try_fold(0, |unit: u16, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// Writes a value so that Java reads it back.
pub(super) fn escape(value: &str, out: &mut String) {
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
