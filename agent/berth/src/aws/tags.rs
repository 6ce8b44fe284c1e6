//! This instance's tags, from wherever they were seen first: its metadata, or EC2.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// The tags that are known so far.
#[derive(Debug, Default)]
pub(crate) struct MyTags(Mutex<Option<BTreeMap<String, String>>>);

impl MyTags {
    /// Adds what was seen.
    pub(crate) fn seen(&self, tags: &BTreeMap<String, String>) {
        let mut known = self.0.lock().expect("no holder of this lock panics");
        known.get_or_insert_default().extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
    }

    /// Whether they were read at all: "no such tag" and "nobody looked" are not the same.
    pub(crate) fn are_known(&self) -> bool {
        self.0.lock().expect("no holder of this lock panics").is_some()
    }

    /// One tag's value.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.lock().expect("no holder of this lock panics").as_ref()?.get(key).cloned()
    }
}
