//! Text for a terminal of 80 columns: a label, and what belongs to it beside it.

/// Columns of a terminal.
pub(super) const WIDTH: usize = 80;

/// Where the text begins beside its label.
const LABEL: usize = 14;

/// A page as it grows.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// A paragraph over the whole width.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.put("", "", text);
    }

    pub(super) fn blank(&mut self) {
        self.0.push('\n');
    }

    /// A label and its text.
    pub(super) fn row(&mut self, label: &str, text: &str) {
        self.put(&format!("{label:<LABEL$}"), &" ".repeat(LABEL), text);
    }

    /// A text behind `first`, its further lines behind as many blanks.
    pub(super) fn item(&mut self, first: &str, text: &str) {
        self.put(first, &" ".repeat(first.chars().count()), text);
    }

    fn put(&mut self, first: &str, rest: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_new = true;
        for word in text.split_whitespace() {
            let length = line.chars().count() + word.chars().count() + usize::from(!is_new);
            if !is_new && length > WIDTH {
                self.0.push_str(line.trim_end());
                self.0.push('\n');
                (line, is_new) = (rest.to_owned(), true);
            }
            if !is_new {
                line.push(' ');
            }
            line.push_str(word);
            is_new = false;
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_go_on_under_their_beginning_and_no_word_is_cut() {
        let mut page = Page::default();
        page.row("slot", &format!("{} {} end", "a".repeat(65), "b".repeat(90)));
        let blanks = " ".repeat(LABEL);
        let rest = format!("{blanks}{}\n{blanks}end\n", "b".repeat(90));
        assert_eq!(page.text(), format!("slot          {}\n{rest}", "a".repeat(65)));
    }

    #[test]
    fn a_line_of_eighty_columns_is_one_line() {
        let mut page = Page::default();
        page.paragraph(&format!("{} {}", "é".repeat(40), "b".repeat(39)));
        assert_eq!(page.text().lines().count(), 1);
    }
}
