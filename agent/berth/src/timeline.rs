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

/// How many facts of one step are kept.
const FACTS: usize = 100;

/// Writes the story as it goes.
pub(crate) struct Shown {
    story: Mutex<Story>,
    under_way: Mutex<Vec<Step>>,
}

impl Shown {
    pub(crate) fn new(boot: &str) -> Self {
        let story = Story { boot: boot.to_owned(), process: std::process::id(), ..Story::default() };
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

/// For commands that only look: nothing is written.
pub(crate) struct Quiet;

impl Timeline for Quiet {
    fn began(&self, _: Step) {}

    fn waiting(&self, step: Step, what: &str) {
        tracing::debug!(%step, "waiting for {what}");
    }

    fn fact(&self, step: Step, fact: &str) {
        tracing::debug!(%step, "{fact}");
    }

    fn ended(&self, _: Step, _: &str) {}
}
