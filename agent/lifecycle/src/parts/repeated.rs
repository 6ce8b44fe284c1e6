//! What the journal is told of trouble that is tried again: a line when it is new, then how often it came back, more and more
//! rarely. A control plane that is away for an hour is one fact.

use crate::{Step, Trouble};
use berth_plan::InstanceId;
use berth_plan::outcome::Kind;

/// From how many times in a row on they are counted aloud, each time that they have doubled.
const COUNTED_FROM: u32 = 4;

/// The last trouble of a run, and how often it came in a row.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    last: Option<(Step, Kind, String)>,
    times: u32,
}

impl Repeated {
    /// One more trouble of `who`: the line to log; none where the journal has it already.
    pub(crate) fn line(&mut self, who: &InstanceId, trouble: &Trouble) -> Option<String> {
        let now = (trouble.step, trouble.kind, as_before(&trouble.sentence));
        let (step, sentence) = (trouble.step.in_words(), &trouble.sentence);
        if self.last.as_ref() != Some(&now) {
            (self.last, self.times) = (Some(now), 1);
            return Some(format!("{who} could not {step}: {sentence}"));
        }
        self.times = self.times.saturating_add(1);
        let times = self.times;
        let is_said = times >= COUNTED_FROM && times.is_power_of_two();
        is_said.then(|| format!("{who} could not {step} ({times} times in a row): {sentence}"))
    }
}

/// The sentence without what is new each time: the id of AWS's request, and for how many seconds it was tried.
fn as_before(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    if let Some(from) = text.find(" (request ")
        && let Some(length) = text[from..].find(')')
    {
        text.replace_range(from..=from + length, "");
    }
    let words: Vec<&str> = text.split(' ').collect();
    let is_unit = |n: usize| words.get(n).is_some_and(|word| word.trim_end_matches([';', ':', ',']) == "s");
    let kept = words.iter().enumerate().map(|(n, word)| if is_unit(n + 1) { "…" } else { *word });
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(of: &[(Step, &str)]) -> Vec<String> {
        let who = "i-00000000000000001".parse().expect("an instance id");
        let mut repeated = Repeated::default();
        let lines = of.iter().filter_map(|(step, sentence)| {
            repeated.line(&who, &Trouble::new(*step, Kind::ControlPlane, *sentence))
        });
        lines.collect()
    }

    #[test]
    fn trouble_is_a_sentence_with_who_and_what() {
        assert_eq!(
            said(&[(Step::AttachVolume, "AttachVolume vol-1: Throttled")]),
            ["i-00000000000000001 could not attach the volume: AttachVolume vol-1: Throttled"]
        );
    }

    #[test]
    fn the_same_trouble_is_counted_and_not_repeated() {
        let throttled = |n: u32| format!("AttachVolume vol-1: Throttled (request r-{n}); tried for {n} s");
        let many: Vec<String> = (0..16).map(throttled).collect();
        let lines = said(&many.iter().map(|text| (Step::AttachVolume, text.as_str())).collect::<Vec<_>>());
        let counts = ["volume: ", "(4 times in a row): ", "(8 times in a row): ", "(16 times in a row): "];
        assert_eq!(lines.len(), counts.len(), "{lines:#?}");
        for (line, count) in lines.iter().zip(counts) {
            assert!(line.contains(count), "{line}");
        }
        assert!(
            lines[3].ends_with("(request r-15); tried for 15 s"),
            "the last of them, as it was: {}",
            lines[3]
        );
    }

    #[test]
    fn other_trouble_is_new() {
        let lines = said(&[
            (Step::Intend, "slot 3 is away"),
            (Step::Intend, "slot 4 is away"),
            (Step::AttachVolume, "slot 4 is away"),
            (Step::AttachVolume, "slot 4 is away"),
            (Step::Intend, "slot 4 is away"),
        ]);
        assert_eq!(lines.len(), 4, "{lines:#?}");
    }
}
