//! The facts as a page for people: the answer first, then what is wrong, then a line for each thing.
//!
//! Records, revisions and ids of requests are for `--json`.

mod answer;
mod mine;
mod rows;

use super::facts::{Facts, RouteFacts};
use crate::commands::page::Page;
use berth_plan::UnixTime;

pub(super) fn text(facts: &Facts, now: UnixTime) -> String {
    let mut page = Page::default();
    let answer = answer::answer(facts, now);
    page.paragraph(&answer.line);
    page.blank();
    let wrong = wrong(facts);
    for sentence in &wrong {
        page.item("!! ", sentence);
    }
    if !wrong.is_empty() {
        page.blank();
    }
    for (label, text) in rows::rows(facts, now) {
        page.row(label, &text);
    }
    for (n, away) in away(facts).iter().enumerate() {
        page.row(if n == 0 { "no answer" } else { "" }, away);
    }
    page.row("next", &answer.next);
    page.text()
}

/// What contradicts itself or is missing, loudly.
fn wrong(facts: &Facts) -> Vec<String> {
    let missing = facts.routes.known().map(|RouteFacts { missing, .. }| missing.as_slice());
    facts.contradictions.iter().flatten().chain(missing.into_iter().flatten()).cloned().collect()
}

/// The sources that did not answer, each once.
fn away(facts: &Facts) -> Vec<String> {
    let instance = match &facts.instance {
        super::facts::InstanceFacts::Known { .. } => None,
        super::facts::InstanceFacts::ByRun { unreachable, .. }
        | super::facts::InstanceFacts::Away { unreachable } => Some(unreachable.as_str()),
    };
    let all = [
        instance,
        facts.boot.away(),
        facts.slot.away(),
        facts.claim.away(),
        facts.attached.away(),
        facts.mount.away(),
        facts.routes.away(),
        facts.service.away(),
    ];
    let mut found: Vec<String> = Vec::new();
    for why in all.into_iter().flatten() {
        if !found.iter().any(|known| known == why) {
            found.push(why.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// 2026-11-27 14:02 UTC.
    const NOW: UnixTime = UnixTime::from_millis(1_795_788_120_000);

    /// tests/golden/status: one folder a case, the facts as `berth status --json` prints them, and the page that they
    /// make, beside each other. `BERTH_GOLDEN=write` writes the pages anew.
    #[test]
    fn each_case_has_its_page() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/status");
        let mut wrong = Vec::new();
        let mut count = 0;
        for case in fs::read_dir(&cases).unwrap() {
            let case = case.unwrap().path();
            let facts = fs::read_to_string(case.join("facts.json")).unwrap();
            let facts: Facts =
                serde_json::from_str(&facts).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            let page = text(&facts, NOW);
            let expected = case.join("page.txt");
            if std::env::var_os("BERTH_GOLDEN").is_some_and(|what| what == "write") {
                fs::write(&expected, &page).unwrap();
            }
            if fs::read_to_string(&expected).unwrap() != page {
                wrong.push(format!("{}:\n{page}", expected.display()));
            }
            let too_long = page.lines().find(|line| line.chars().count() > crate::commands::page::WIDTH);
            assert_eq!(too_long, None, "{}", case.display());
            count += 1;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count >= 10, "only {count} cases were found");
    }

    #[test]
    fn facts_that_were_written_are_read_as_the_same() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/status");
        for case in fs::read_dir(&cases).unwrap() {
            let text = fs::read_to_string(case.unwrap().path().join("facts.json")).unwrap();
            let facts: Facts = serde_json::from_str(&text).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_value(&facts).unwrap(), value);
        }
    }
}
