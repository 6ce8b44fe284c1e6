//! The words of a unit's values: quoting, variables, and the files that hold them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Splits into words, honouring double and single quotes and backslashes.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Expands `$NAME` (as a word of its own: split into words) and `${NAME}` (anywhere), as ExecStart= does.
pub fn expand(words: &[String], environment: &BTreeMap<String, String>) -> Vec<String> {
    let mut out = Vec::new();
    for word in words {
        if let Some(name) = word
            .strip_prefix('$')
            .filter(|n| !n.is_empty() && n.chars().all(|c| c.is_alphanumeric() || c == '_'))
        {
            out.extend(environment.get(name).map(|v| split(v)).unwrap_or_default());
            continue;
        }
        let mut text = String::new();
        let mut rest = word.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, tail)) = after.split_once('}') else { break };
            text.push_str(before);
            text.push_str(environment.get(name).map_or("", String::as_str));
            rest = tail;
        }
        text.push_str(rest);
        out.push(text.replace("$$", "$"));
    }
    out
}

/// `KEY=value` lines of an EnvironmentFile.
pub fn environment_file(path: &Path) -> std::io::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';']));
    Ok(lines
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.trim().to_owned(), split(v).join(" ")))
        .collect())
}
