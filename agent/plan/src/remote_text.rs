//! Text from outside, as a sentence may have it: AWS's messages, ZooKeeper's nodes, metadata, the output of tools.
//!
//! It is bounded and on one line, so that a proxy's error page or a log in a message is neither the journal nor the
//! last sentence of a boot.

/// The longest text from outside in a sentence, in characters. An AWS message that names role, action and resource, or
/// the ARN of a stack and its state, has up to some 350 before what nobody reads (an encoded authorization failure).
pub const LONGEST: usize = 400;

/// The text on one line and bounded: blanks and line breaks as one space, other control characters escaped, cut after
/// [`LONGEST`] characters.
pub fn bounded(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    let mut length = 0;
    for word in text.split_whitespace() {
        let gap = usize::from(length > 0);
        for c in std::iter::repeat_n(' ', gap).chain(word.chars()) {
            if length == LONGEST {
                line.push('…');
                return line;
            }
            if is_hidden(c) {
                line.extend(c.escape_default())
            } else {
                line.push(c)
            }
            length += 1;
        }
    }
    line
}

/// The same in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", bounded(text))
}

/// The whole text, with control characters and line breaks escaped: for what the operator wrote, where nothing may be cut.
pub fn visible(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Characters that no reader sees, or that turn the line around them: C0 and C1, marks of direction, zero width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_one_bounded_line() {
        assert_eq!(quoted("<html>\r\n <head>\t</head>\n"), "\"<html> <head> </head>\"");
        assert_eq!(bounded("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        let long = bounded(&"ä".repeat(50_000));
        assert_eq!((long.chars().count(), long.ends_with("ä…")), (LONGEST + 1, true));
        assert_eq!(bounded(&"ä".repeat(LONGEST)).chars().count(), LONGEST);
        assert_eq!(visible("a\n  b\u{7f}"), "a\\n  b\\u{7f}");
        assert_eq!(bounded("The volume 'vol-1' does not exist."), "The volume 'vol-1' does not exist.");
    }
}
