//! Filters, ids and pages: the part that all describe calls of EC2 have in common.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Refusal;
use super::request::DescribeRequest;
use super::sources::{BAD_PAGE_TOKEN, PARAMETER_COMBINATION, PARAMETER_VALUE, Rule};
use super::view::{Page, TagView};

/// Whether a value is like a filter's: `*` is any run of characters, `?` any one, `\` takes the next literally.
pub fn matches_wildcard(pattern: &str, value: &str) -> bool {
    fn like(pattern: &[char], value: &[char]) -> bool {
        match (pattern.first(), value.first()) {
            (None, None) => true,
            (Some('*'), _) => like(&pattern[1..], value) || (!value.is_empty() && like(pattern, &value[1..])),
            (Some('?'), Some(_)) => like(&pattern[1..], &value[1..]),
            (Some('\\'), Some(v)) if pattern.len() > 1 => {
                pattern[1] == *v && like(&pattern[2..], &value[1..])
            }
            (Some(p), Some(v)) => p == v && like(&pattern[1..], &value[1..]),
            _ => false,
        }
    }
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == value;
    }
    like(&pattern.chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>())
}

/// What describing one kind of resource takes.
pub(super) struct Kind<T> {
    /// The name of its id parameter in error messages.
    pub(super) set: &'static str,
    pub(super) id: fn(&T) -> &str,
    /// Filters besides `tag:<key>` and `tag-key`.
    pub(super) filters: &'static [&'static str],
    pub(super) values: fn(&T, &str) -> Vec<String>,
    pub(super) tags: fn(&T) -> &[TagView],
    /// For an id that is not there: the rule, and what the resource is called.
    pub(super) not_found: (&'static Rule, &'static str),
    /// For an id that does not begin with this.
    pub(super) malformed: (&'static str, &'static Rule),
    /// Whether ids and MaxResults exclude each other.
    pub(super) exclusive: bool,
}

impl<T> Kind<T> {
    /// What the request asks for of what is there.
    pub(super) fn select(&self, rows: Vec<T>, request: &DescribeRequest) -> Result<Page<T>, Refusal> {
        self.check(request)?;
        let mut rows = rows;
        rows.sort_by(|a, b| (self.id)(a).cmp((self.id)(b)));
        if !request.ids.is_empty() {
            let absent: Vec<&String> = request
                .ids
                .iter()
                .filter(|id| !rows.iter().any(|row| (self.id)(row) == id.as_str()))
                .collect();
            if let Some(first) = absent.first() {
                let (rule, what) = self.not_found;
                return Err(Refusal::of(rule, format!("The {what} '{first}' does not exist")));
            }
            rows.retain(|row| request.ids.iter().any(|id| id == (self.id)(row)));
        }
        rows.retain(|row| request.filters.iter().all(|(name, wanted)| self.passes(row, name, wanted)));
        self.cut(rows, request)
    }

    fn check(&self, request: &DescribeRequest) -> Result<(), Refusal> {
        if self.exclusive && !request.ids.is_empty() && request.max_results.is_some() {
            let set = self.set;
            let message = format!("The parameter {set} cannot be used with the parameter maxResults");
            return Err(Refusal::of(&PARAMETER_COMBINATION, message));
        }
        if let Some(most) = request.max_results.filter(|most| !(5..=1_000).contains(most)) {
            let message = format!(
                "Value ( {most} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
            );
            return Err(Refusal::of(&PARAMETER_VALUE, message));
        }
        let (prefix, rule) = self.malformed;
        if let Some(id) = request.ids.iter().find(|id| !well_formed(id, prefix)) {
            return Err(malformed(rule, id, prefix));
        }
        for (name, values) in &request.filters {
            let known =
                name == "tag-key" || name.starts_with("tag:") || self.filters.contains(&name.as_str());
            if !known {
                return Err(Refusal::of(&PARAMETER_VALUE, format!("The filter '{name}' is invalid")));
            }
            if values.is_empty() || values.len() > 200 {
                let message =
                    format!("The filter '{name}' has {} values; 1 to 200 are possible", values.len());
                return Err(Refusal::of(&PARAMETER_VALUE, message));
            }
        }
        Ok(())
    }

    fn passes(&self, row: &T, name: &str, wanted: &[String]) -> bool {
        let tags = (self.tags)(row);
        let have: Vec<String> = if let Some(key) = name.strip_prefix("tag:") {
            tags.iter().filter(|tag| tag.key == key).map(|tag| tag.value.clone()).collect()
        } else if name == "tag-key" {
            tags.iter().map(|tag| tag.key.clone()).collect()
        } else {
            (self.values)(row, name)
        };
        have.iter().any(|value| wanted.iter().any(|pattern| matches_wildcard(pattern, value)))
    }

    fn cut(&self, mut rows: Vec<T>, request: &DescribeRequest) -> Result<Page<T>, Refusal> {
        if let Some(token) = request.next_token.as_deref().filter(|token| !token.is_empty()) {
            let after = URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .and_then(|text| text.strip_prefix("after ").map(str::to_owned))
                .ok_or_else(|| Refusal::of(&BAD_PAGE_TOKEN, "The specified pagination token is not valid"))?;
            rows.retain(|row| (self.id)(row) > after.as_str());
        }
        let most = request.max_results.map_or(usize::MAX, |most| most as usize);
        let more = rows.len() > most;
        rows.truncate(most);
        let next_token = rows
            .last()
            .filter(|_| more)
            .map(|last| URL_SAFE_NO_PAD.encode(format!("after {}", (self.id)(last))));
        Ok(Page { items: rows, next_token })
    }
}

/// Whether an id has the right prefix, and 8 or 17 hexadecimal digits.
pub(super) fn well_formed(id: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || id
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(super) fn malformed(rule: &'static Rule, id: &str, prefix: &str) -> Refusal {
    Refusal::of(rule, format!("Invalid id: \"{id}\" (expecting \"{prefix}-...\")"))
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard;

    #[test]
    fn wildcards_are_stars_and_question_marks() {
        assert!(matches_wildcard("KAFKA-*", "KAFKA-12"));
        assert!(matches_wildcard("KAFKA-?", "KAFKA-1") && !matches_wildcard("KAFKA-?", "KAFKA-12"));
        assert!(matches_wildcard("a\\*", "a*") && !matches_wildcard("a\\*", "ab"));
        assert!(!matches_wildcard("kafka", "KAFKA"));
    }
}
