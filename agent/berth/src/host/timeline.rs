//! The timeline of a boot: lines on stderr, and `/run/berth/boot.json` for `berth status`.

use crate::host::{RUN, ThisHost};
use berth_lifecycle::Step;
use berth_lifecycle::ports::{Host, Timeline};
use berth_plan::Millis;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// State file.
pub(crate) const FILE: &str = "boot.json";

/// What happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    /// The instance; empty before it is known.
    pub(crate) instance: String,
    /// The kernel boot.
    pub(crate) boot: String,
    /// The process that writes this.
    pub(crate) process: u32,
    /// When that process began: its number may be another's later.
    #[serde(default)]
    pub(crate) began: Option<u64>,
    /// The steps in the order in which they began. Times are milliseconds since the kernel booted.
    pub(crate) steps: Vec<StepStory>,
    /// How it ended; none while it runs.
    pub(crate) ended: Option<String>,
}

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StepStory {
    pub(crate) step: String,
    pub(crate) began: Millis,
    pub(crate) ended: Option<Millis>,
    pub(crate) outcome: Option<String>,
    pub(crate) waits_for: Option<String>,
    /// Since when it waits for just this.
    pub(crate) waits_since: Option<Millis>,
    pub(crate) facts: Vec<String>,
}

impl Story {
    /// Whether the process that writes this is still there.
    pub(crate) fn goes_on(&self) -> bool {
        // A story without a beginning is of an older berth, which may be running still.
        self.ended.is_none()
            && began(self.process).is_some_and(|began| self.began.is_none_or(|of| of == began))
    }
}

/// When a process began, in clock ticks since the kernel booted; none where it has ended, waited for or not.
fn began(process: u32) -> Option<u64> {
    began_by(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// By proc_pid_stat(5): the state is the third field, the start the 22nd; the second may hold spaces and parentheses.
fn began_by(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// How many facts of one step are kept.
const FACTS: usize = 100;

/// Writes the story as it goes.
pub(crate) struct Shown {
    story: Mutex<Story>,
    under_way: Mutex<Vec<Step>>,
}

impl Shown {
    pub(crate) fn new(boot: &str) -> Self {
        let process = std::process::id();
        let began = began(process);
        let story = Story { boot: boot.to_owned(), process, began, ..Story::default() };
        let shown = Self { story: Mutex::new(story), under_way: Mutex::default() };
        shown.change(|_| {});
        shown
    }

    pub(crate) fn known_as(&self, instance: &str) {
        self.change(|story| story.instance = instance.to_owned());
    }

    pub(crate) fn end(&self, how: &str) {
        self.change(|story| story.ended = Some(how.to_owned()));
    }

    /// The steps that began and have not ended. A fact or a wait alone begins none.
    pub(crate) fn under_way(&self) -> Vec<Step> {
        self.under_way.lock().expect("no holder of this lock panics").clone()
    }

    fn change(&self, change: impl FnOnce(&mut Story)) {
        let mut story = self.story.lock().expect("no holder of this lock panics");
        change(&mut story);
        let text =
            serde_json::to_string_pretty(&*story).expect("a story of texts and numbers is always JSON");
        if let Err(error) = ThisHost.note(FILE, &text) {
            tracing::debug!(%error, "the timeline in {RUN} is not up to date");
        }
    }

    fn of(&self, step: Step, change: impl FnOnce(&mut StepStory, Millis)) {
        let now = ThisHost.since_boot();
        self.change(|story| {
            let at = story.steps.iter().rposition(|s| s.step == step.name() && s.ended.is_none());
            let at = at.unwrap_or_else(|| {
                story.steps.push(StepStory {
                    step: step.name().to_owned(),
                    began: now,
                    ended: None,
                    outcome: None,
                    waits_for: None,
                    waits_since: None,
                    facts: Vec::new(),
                });
                story.steps.len() - 1
            });
            change(&mut story.steps[at], now);
        });
    }
}

impl Timeline for Shown {
    fn began(&self, step: Step) {
        tracing::debug!(%step, "began");
        let mut under_way = self.under_way.lock().expect("no holder of this lock panics");
        if matches!(step, Step::Intend | Step::Unwind) {
            // What was under way was given up.
            under_way.clear();
        }
        under_way.push(step);
        drop(under_way);
        self.of(step, |_, _| {});
    }

    fn waiting(&self, step: Step, what: &str) {
        let mut news = false;
        self.of(step, |story, now| {
            news = story.waits_for.as_deref() != Some(what);
            if news {
                story.waits_for = Some(what.to_owned());
                story.waits_since = Some(now);
            }
        });
        if news {
            tracing::info!(%step, "waiting for {what}");
        }
    }

    fn fact(&self, step: Step, fact: &str) {
        tracing::info!(%step, "{fact}");
        self.of(step, |story, _| {
            if story.facts.len() < FACTS {
                story.facts.push(fact.to_owned());
            }
        });
    }

    fn ended(&self, step: Step, outcome: &str) {
        let mut took = 0;
        self.under_way.lock().expect("no holder of this lock panics").retain(|open| *open != step);
        self.of(step, |story, now| {
            took = now.saturating_sub(story.began);
            (story.ended, story.outcome, story.waits_for, story.waits_since) =
                (Some(now), Some(outcome.to_owned()), None, None);
        });
        tracing::info!(%step, took = %format_args!("{}.{:03}s", took / 1000, took % 1000), "{outcome}");
    }
}

/// For commands that only look: nothing is written; what was waited for last is told where they give up.
#[derive(Default)]
pub(crate) struct LastWait(Mutex<Option<String>>);

impl LastWait {
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().expect("no holder of this lock panics").clone()
    }
}

impl Timeline for LastWait {
    fn began(&self, _: Step) {}

    fn waiting(&self, step: Step, what: &str) {
        tracing::debug!(%step, "waiting for {what}");
        *self.0.lock().expect("no holder of this lock panics") = Some(what.to_owned());
    }

    fn fact(&self, step: Step, fact: &str) {
        tracing::debug!(%step, "{fact}");
    }

    fn ended(&self, _: Step, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_and_was_not_waited_for_is_over() {
        let line = "77 (a) b) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 123456 1 1";
        assert_eq!(began_by(line), Some(123_456));
        assert_eq!(began_by(&line.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn a_story_goes_on_only_while_its_own_process_is_there() {
        let process = std::process::id();
        let story = Story { process, began: began(process), ..Story::default() };
        assert!(story.goes_on());
        assert!(!Story { began: Some(1), ..story.clone() }.goes_on(), "the number is another's");
        assert!(!Story { ended: Some("ready".to_owned()), ..story.clone() }.goes_on());
        assert!(!Story { process: u32::MAX, ..story }.goes_on());
    }
}
