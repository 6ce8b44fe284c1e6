//! Files laid over each other, each value with the place that it came from.

use super::schema::{KEYS, Key, Type};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            _ => write!(f, "{}:{}:{}", self.file, self.line, self.column),
        }
    }
}

/// Why the configuration cannot be used: one place, one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {sentence}")]
pub struct Refused {
    /// Where.
    pub place: Place,
    /// What, and what to write instead.
    pub sentence: String,
}

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Texts(texts) => write!(f, "{texts:?}"),
        }
    }
}

/// A value that a file gave.
#[derive(Debug, Clone)]
struct Given {
    value: Value,
    place: Place,
    layer: usize,
}

/// The values given so far, the later layer over the earlier one.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    values: BTreeMap<(&'static str, &'static str), Given>,
    files: Vec<String>,
    /// Number of the layer that is being read.
    layer: usize,
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Place { file: self.name.to_owned(), line, column }
    }

    fn refused(&self, offset: usize, sentence: impl Into<String>) -> Refused {
        Refused { place: self.place(offset), sentence: sentence.into() }
    }
}

impl Layers {
    /// Lays a file over what is there.
    pub fn over(&mut self, name: &str, text: &str) -> Result<(), Refused> {
        self.layer += 1;
        self.beside(name, text)
    }

    /// Adds a file to the layer of the last one: neither is over the other, so they may not disagree.
    pub fn beside(&mut self, name: &str, text: &str) -> Result<(), Refused> {
        let file = File { name, text };
        if text.starts_with('\u{feff}') {
            return Err(
                file.refused(0, "the file begins with a byte order mark; save it as UTF-8 without one")
            );
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        if let Some(first) = errors.iter().min_by_key(|error| start(error)) {
            return Err(file.refused(start(first), not_toml(first, text)));
        }
        self.files.push(name.to_owned());
        self.table(&file, "", document.get_ref())
    }

    fn table(&mut self, file: &File<'_>, table: &'static str, entries: &DeTable<'_>) -> Result<(), Refused> {
        for (name, value) in entries {
            let at = name.span().start;
            let sub = tables().find(|t| table.is_empty() && !t.is_empty() && *t == name.get_ref().as_ref());
            if let Some(sub) = sub {
                match value.get_ref() {
                    DeValue::Table(entries) => self.table(file, sub, entries)?,
                    other => {
                        let found = with_article(other.type_str());
                        let sentence = format!("`{sub}` is a table, written [{sub}], not {found}");
                        return Err(file.refused(at, sentence));
                    }
                }
                continue;
            }
            let Some(key) = KEYS.iter().find(|k| k.table == table && k.name == name.get_ref().as_ref())
            else {
                return Err(file.refused(at, unknown(table, name.get_ref())));
            };
            let place = file.place(value.span().start);
            let value = typed(file, key, value)?;
            self.give(key, Given { value, place, layer: self.layer })?;
        }
        Ok(())
    }

    fn give(&mut self, key: &Key, given: Given) -> Result<(), Refused> {
        let before = self.values.get(&(key.table, key.name));
        if let Some(other) = before.filter(|o| o.layer == given.layer && o.value != given.value) {
            let (path, here, there) = (key.path(), &given.value, &other.value);
            let sentence = format!(
                "`{path}` is {here} here and {there} at {}; neither file is over the other, so take it out of one",
                other.place
            );
            return Err(Refused { place: given.place, sentence });
        }
        self.values.insert((key.table, key.name), given);
        Ok(())
    }

    /// A value and its place: as given, or the default.
    pub(super) fn get(&self, table: &str, name: &str) -> Result<(Value, Place), Refused> {
        if let Some((_, given)) = self.values.iter().find(|((t, n), _)| *t == table && *n == name) {
            return Ok((given.value.clone(), given.place.clone()));
        }
        let key = KEYS
            .iter()
            .find(|k| k.table == table && k.name == name)
            .expect("only keys of the schema are asked for");
        let place = |file: &str| Place { file: file.to_owned(), line: 0, column: 0 };
        let Some(default) = key.default else {
            let first = self.files.first().map_or("/etc/berth/berth.toml", String::as_str);
            let sentence = format!("`{}` is missing: {}", key.path(), key.meaning);
            return Err(Refused { place: place(first), sentence });
        };
        let text = format!("default = {default}");
        let file = File { name: "defaults", text: &text };
        let document = DeTable::parse(&text).map_err(|e| file.refused(0, e.message()))?;
        let value = document.get_ref().values().next().expect("a default is one value");
        Ok((typed(&file, key, value)?, place("defaults")))
    }
}

fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.table)
}

fn typed(file: &File<'_>, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Value, Refused> {
    let refused = |value: &Spanned<DeValue<'_>>| {
        let found = with_article(value.get_ref().type_str());
        let sentence = format!("`{}` is {}, not {found}", key.path(), key.kind.article());
        file.refused(value.span().start, sentence)
    };
    match (key.kind, value.get_ref()) {
        (Type::Text, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        (Type::Texts, DeValue::Array(items)) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned).ok_or_else(|| refused(item)))
            .collect::<Result<_, _>>()
            .map(Value::Texts),
        _ => Err(refused(value)),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// What the parser says, and what stands there: its own sentence names the rule only.
fn not_toml(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    let found = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    match found.trim_ascii().lines().next() {
        None => format!("this is no TOML: {message}"),
        Some(found) if found.contains(char::is_control) => format!("this is no TOML: {message}: {found:?}"),
        Some(found) => format!("this is no TOML: {message}: {found}"),
    }
}

fn unknown(table: &str, name: &str) -> String {
    let here = if table.is_empty() {
        format!("there is no key `{name}`")
    } else {
        format!("[{table}] has no key `{name}`")
    };
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        let where_to =
            if key.table.is_empty() { "the top of the file".to_owned() } else { format!("[{}]", key.table) };
        return format!("{here}; `{name}` belongs to {where_to}");
    }
    let near = |candidates: Vec<String>| {
        candidates
            .into_iter()
            .map(|candidate| (strsim::damerau_levenshtein(&candidate, name), candidate))
            .min()
            .filter(|(distance, candidate)| *distance <= candidate.len() / 2)
            .map(|(_, candidate)| candidate)
    };
    let of_table = KEYS.iter().filter(|key| key.table == table).map(|key| key.name.to_owned());
    let headings = tables().filter(|t| table.is_empty() && !t.is_empty()).map(str::to_owned);
    match near(of_table.chain(headings).collect()) {
        Some(nearest) => format!("{here}; did you mean `{nearest}`?"),
        None => {
            let known: Vec<&str> = KEYS.iter().filter(|key| key.table == table).map(|key| key.name).collect();
            format!("{here}; known here: {}", known.join(", "))
        }
    }
}
