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

/// The values given so far, the later file over the earlier one.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    values: BTreeMap<(&'static str, &'static str), (Value, Place)>,
    files: Vec<String>,
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
        if text.starts_with('\u{feff}') {
            let sentence = "the file begins with a byte order mark; save it as UTF-8 without one";
            return Err(Refused {
                place: Place { file: name.to_owned(), line: 1, column: 1 },
                sentence: sentence.to_owned(),
            });
        }
        let file = File { name, text };
        let (document, errors) = DeTable::parse_recoverable(text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        if let Some(first) = errors.iter().min_by_key(|error| start(error)) {
            return Err(file.refused(start(first), first.message().replace('\n', ", ")));
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
                        let sentence =
                            format!("`{sub}` is a table, written [{sub}], not {}", other.type_str());
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
            self.values.insert((key.table, key.name), (value, place));
        }
        Ok(())
    }

    /// A value and its place: as given, or the default.
    pub(super) fn get(&self, table: &str, name: &str) -> Result<(Value, Place), Refused> {
        if let Some((value, place)) =
            self.values.iter().find(|((t, n), _)| *t == table && *n == name).map(|(_, v)| v)
        {
            return Ok((value.clone(), place.clone()));
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
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let sentence = format!("`{}` is {}, not {article} {found}", key.path(), key.kind.article());
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
