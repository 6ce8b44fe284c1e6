//! The `Name` tags of slots.

use crate::BrokerId;

/// The `Name` pattern of a cluster's slots, as `KAFKA-{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    before: String,
    after: String,
}

impl NamePattern {
    /// Reads a pattern, which has `{id}` exactly once.
    pub fn new(pattern: &str) -> Option<Self> {
        let (before, after) = pattern.split_once("{id}")?;
        (!after.contains("{id}")).then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// The Name of a slot.
    pub fn name(&self, id: impl std::fmt::Display) -> String {
        format!("{}{id}{}", self.before, self.after)
    }

    /// The slot that has this Name.
    pub fn id(&self, name: &str) -> Option<BrokerId> {
        name.strip_prefix(&self.before)?.strip_suffix(&self.after)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_slot_and_back() {
        let pattern = NamePattern::new("KAFKA-{id}").unwrap();
        assert_eq!(pattern.id("KAFKA-12"), BrokerId::new(12));
        assert_eq!(pattern.id("KAFKA-012"), None);
        assert_eq!(pattern.id("kafka-1"), None);
        assert_eq!(pattern.name(3), "KAFKA-3");
        assert_eq!(NamePattern::new("KAFKA"), None);
        assert_eq!(NamePattern::new("{id}-{id}"), None);
    }
}
