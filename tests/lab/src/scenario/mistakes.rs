//! What is said of a mistake in a scenario: the file, line and column, what is wrong, and the nearest right word.

use crate::error::Error;

/// An error of the TOML reader with its place and, for an unknown key, the nearest right one.
pub(super) fn explain(text: &str, name: &str, error: &toml::de::Error) -> Error {
    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
    let mut said = error.message().replace('\n', " ");
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    if said.starts_with("unknown") && quoted.len() > 1 {
        let right: Vec<String> = quoted[1..].iter().map(|w| (*w).to_owned()).collect();
        said = unknown(said.split(' ').nth(1).unwrap_or("word"), quoted[0], &right);
    }
    Error::new(format!("{name}:{line}:{column}: {said}"))
}

/// A mistake found after reading: its place is where the key stands first.
pub(super) fn at(text: &str, name: &str, key: &str, said: String) -> Error {
    let (line, column) = place(text, text.find(key).unwrap_or(0));
    Error::new(format!("{name}:{line}:{column}: {said}"))
}

/// The sentence for a word that does not exist.
pub(super) fn unknown(kind: &str, word: &str, right: &[String]) -> String {
    let nearest = right.iter().map(|r| (strsim::jaro_winkler(word, r), r)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest.filter(|(likeness, _)| *likeness > 0.7) {
        Some((_, nearest)) => format!("unknown {kind} `{word}`: did you mean `{nearest}`?"),
        None => format!("unknown {kind} `{word}`: there are {}", right.join(", ")),
    }
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}
