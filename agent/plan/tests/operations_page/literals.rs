//! The string literals of Rust sources, as far as they may become a sentence that a person reads.
//!
//! A small lexer: comments, attributes and test modules are left out, format arguments become `…`. It knows for each
//! literal in which calls it stands, by name.

/// A literal of a source.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    /// The line of its first quote, from 1.
    pub(crate) line: usize,
    /// Its text, format arguments as `…`, white space as one space.
    pub(crate) text: String,
    /// The names before the parentheses that it stands in, outermost first: `map_err`, `format!`.
    pub(crate) calls: Vec<String>,
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// The name before each open parenthesis, bracket or brace.
    open: Vec<String>,
    /// The last name, and whether nothing but `!` came since.
    name: String,
    found: Vec<Literal>,
}

/// All literals of a source but those of its tests.
pub(crate) fn literals(source: &str) -> Vec<Literal> {
    let mut lexer = Lexer { source, at: 0, open: Vec::new(), name: String::new(), found: Vec::new() };
    while let Some(c) = lexer.peek() {
        lexer.step(c);
    }
    lexer.found
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self, c: char) {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with("#[") || rest.starts_with("#![") {
            self.attribute();
        } else if let Some(hashes) = raw_string(rest) {
            self.raw(hashes);
        } else if rest.starts_with("b\"") {
            self.at += 1;
            self.quoted();
        } else if c == '"' {
            let (line, text) = (self.line(), self.quoted());
            self.found.push(Literal { line, text: normal(&text), calls: self.open.clone() });
        } else if c == '\'' {
            self.character();
        } else if c.is_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.name = rest[..end].to_owned();
            self.at += end;
        } else {
            match c {
                '(' | '[' | '{' => self.open.push(std::mem::take(&mut self.name)),
                ')' | ']' | '}' => {
                    self.open.pop();
                    self.name.clear();
                }
                '!' => self.name.push('!'),
                _ if c.is_whitespace() => {}
                _ => self.name.clear(),
            }
            self.at += c.len_utf8();
        }
    }

    fn line(&self) -> usize {
        self.source[..self.at].matches('\n').count() + 1
    }

    /// Of the attributes only thiserror's holds sentences. What follows `cfg(test)` is passed over.
    fn attribute(&mut self) {
        let (start, line) = (self.at, self.line());
        let mut depth = 0;
        let mut sentences = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' => sentences.push(self.quoted()),
                _ => {
                    depth += i32::from(c == '[') - i32::from(c == ']');
                    self.at += c.len_utf8();
                    if c == ']' && depth == 0 {
                        break;
                    }
                }
            }
        }
        let text = &self.source[start..self.at];
        if text == "#[cfg(test)]" {
            self.item();
        } else if text.starts_with("#[error(") {
            let calls = vec!["error".to_owned()];
            self.found.extend(sentences.iter().map(|text| Literal {
                line,
                text: normal(text),
                calls: calls.clone(),
            }));
        }
    }

    /// Passes over one item: to its semicolon, or to the end of its block.
    fn item(&mut self) {
        let (depth, found) = (self.open.len(), self.found.len());
        while let Some(c) = self.peek() {
            self.step(c);
            if (c == ';' || c == '}') && self.open.len() == depth {
                break;
            }
        }
        self.found.truncate(found);
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.source[self.at + 1..].char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 2;
                    return text;
                }
                '\\' => match chars.next() {
                    // White space follows, which `normal` makes one space of: here it must be none.
                    Some((_, '\n')) => {
                        let ahead = chars.as_str();
                        let spaces = ahead.len() - ahead.trim_start().len();
                        chars.by_ref().take(ahead[..spaces].chars().count()).for_each(drop);
                    }
                    Some((_, 'n' | 'r' | 't')) => text.push(' '),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        panic!("a string without an end at line {}", self.line());
    }

    fn raw(&mut self, hashes: usize) {
        let begin = hashes + 2;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = self.rest()[begin..].find(&end).expect("a raw string has an end");
        let text = normal(&self.rest()[begin..begin + length]);
        self.found.push(Literal { line: self.line(), text, calls: self.open.clone() });
        self.at += begin + length + end.len();
    }

    /// A character, or the tick of a lifetime.
    fn character(&mut self) {
        let rest = self.rest();
        let end = match rest[1..].chars().next() {
            Some('\\') => rest[3..].find('\'').map(|end| end + 4),
            Some(c) if rest[1 + c.len_utf8()..].starts_with('\'') => Some(c.len_utf8() + 2),
            _ => None,
        };
        self.at += end.unwrap_or(1);
    }
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    hashes[count..].starts_with('"').then_some(count)
}

/// Format arguments as `…`, doubled braces as one, white space as one space.
fn normal(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.next_if_eq(&c).is_some() => out.push(c),
            '{' => {
                chars.by_ref().take_while(|c| *c != '}').for_each(drop);
                out.push('…');
            }
            other => out.push(other),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn sentences_are_found_as_a_person_reads_them() {
    let source = r##"
        //! "not a word of this comment"
        #[doc = "nor of this attribute"]
        #[error("{0} is {what:?} here")]
        fn f<'a>(x: &'a str) -> char {
            failed(format!("took {n} s, \
                written {{id}} and \"{id}\""), 'x');
            tracing::debug!("{}", r#"a "raw" one"#);
            let (a, b) = ('"', '\'');
            b"bytes"; '\u{e4}'
        }
        #[cfg(test)]
        mod tests { fn t() { "a test's" } }
        const AFTER: &str = "after the tests";
    "##;
    let found: Vec<(usize, String, String)> =
        literals(source).into_iter().map(|l| (l.line, l.text, l.calls.join(" "))).collect();
    let of = |line, text: &str, calls: &str| (line, text.to_owned(), calls.to_owned());
    assert_eq!(
        found,
        [
            of(4, "… is … here", "error"),
            of(6, "took … s, written {id} and \"…\"", "char failed format!"),
            of(8, "…", "char debug!"),
            of(8, "a \"raw\" one", "char debug!"),
            of(14, "after the tests", ""),
        ]
    );
}
