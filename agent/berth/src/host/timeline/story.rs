//! The record of a boot: its steps, what they wait for, and how they ended. It stays small, however long a boot tries:
//! a step that ends again as it did before is counted, and what is too much is left out and counted too.

#[cfg(test)]
mod tests;

use berth_plan::{SinceBoot, UnixTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many steps are kept; each of them ended otherwise than all others of its name.
const STEPS: usize = 60;

/// How many of them are the first ones, which tell how the trouble began. The others are the last.
const FIRST_STEPS: usize = 15;

/// How many facts of one step are kept, and how many of them are the first.
const FACTS: usize = 16;
const FIRST_FACTS: usize = 8;

/// The longest text, in bytes.
const TEXT: usize = 500;

/// The size of the whole record as JSON, in bytes, as far as steps that are under way leave it the choice.
const SIZE: usize = 48 * 1024;

/// After how long a wait for the same thing is told again; then each time that it has become twice as long.
const AGAIN: Duration = Duration::from_secs(60);

/// What the names and the white space of a step and of a fact add to their texts.
const STEP_FRAME: usize = 300;
const FACT_FRAME: usize = 80;

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
    /// The steps in the order in which they began, the last time where that was often. Times are milliseconds since the kernel booted.
    pub(crate) steps: Vec<StepStory>,
    /// How many steps are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) steps_left_out: u64,
    /// How it ended; none while it runs.
    pub(crate) ended: Option<String>,
    /// In which way; none while it runs, and of an older berth.
    #[serde(default)]
    pub(crate) outcome: Option<Outcome>,
    /// With which exit code.
    #[serde(default)]
    pub(crate) exit: Option<u8>,
    /// When it ended, Unix milliseconds.
    #[serde(default)]
    pub(crate) ended_at: Option<UnixTime>,
}

/// In which way a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The broker is ready, and that was told.
    Ready,
    /// There was nothing to do.
    NotNow,
    /// It gave up.
    GaveUp,
    /// The slot was let go of for good.
    Released,
    /// A signal or a bug ended it in the midst; the next run goes on.
    CutOff,
}

/// One step, or several that ended the same way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StepStory {
    pub(crate) step: String,
    pub(crate) began: SinceBoot,
    pub(crate) ended: Option<SinceBoot>,
    pub(crate) outcome: Option<String>,
    /// How often it ended so.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub(crate) times: u64,
    /// When it ended so for the last time; none where that was the only time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<SinceBoot>,
    pub(crate) waits_for: Option<String>,
    /// Since when it waits for just this.
    pub(crate) waits_since: Option<SinceBoot>,
    /// When this wait is told again.
    #[serde(skip)]
    again: SinceBoot,
    pub(crate) facts: Vec<Fact>,
    /// How many facts are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) facts_left_out: u64,
    /// Nobody said that it began: it is over when any step ends.
    #[serde(skip)]
    passing: bool,
}

/// What there is to tell of a wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is another than before.
    Another,
    /// It is the same for so long.
    Still(Duration),
    /// Nothing yet.
    Told,
}

/// A fact, and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Fact {
    Once(String),
    Again { fact: String, times: u64 },
}

impl Fact {
    pub(crate) fn text(&self) -> &str {
        let (Self::Once(fact) | Self::Again { fact, .. }) = self;
        fact
    }

    fn times(&self) -> u64 {
        match self {
            Self::Once(_) => 1,
            Self::Again { times, .. } => *times,
        }
    }
}

fn once() -> u64 {
    1
}

fn is_once(times: &u64) -> bool {
    *times == 1
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// On one line, and not too long.
fn bounded(text: &str) -> String {
    let end = if text.len() <= TEXT { text.len() } else { text.floor_char_boundary(TEXT) };
    let mut kept = text[..end].replace(char::is_control, " ");
    if end < text.len() {
        kept.push('…');
    }
    kept
}

/// The most that JSON makes of it: every character may need a backslash.
fn written(text: &str) -> usize {
    2 * text.len()
}

impl Story {
    /// A step begins. A choice begins the boot anew: what was under way before was given up.
    pub(super) fn begin(&mut self, step: &str, is_anew: bool, now: SinceBoot) {
        if is_anew {
            let open = self.steps.iter().filter(|s| s.ended.is_none());
            let open: Vec<(String, bool)> = open.map(|s| (s.step.clone(), s.passing)).collect();
            for (step, passing) in open {
                self.close(&step, if passing { "done" } else { "given up" }, now);
            }
        }
        self.open(step, false, now);
    }

    /// A step waits.
    pub(super) fn wait(&mut self, step: &str, what: &str, now: SinceBoot) -> Wait {
        let at = self.open_at(step).unwrap_or_else(|| self.open(step, true, now));
        let (step, what) = (&mut self.steps[at], bounded(what));
        match step.waits_since.filter(|_| step.waits_for.as_ref() == Some(&what)) {
            None => {
                (step.waits_for, step.waits_since, step.again) = (Some(what), Some(now), now + AGAIN);
                Wait::Another
            }
            Some(since) if now >= step.again => {
                step.again = now + now.since(since);
                Wait::Still(now.since(since))
            }
            Some(_) => Wait::Told,
        }
    }

    pub(super) fn fact(&mut self, step: &str, fact: &str, now: SinceBoot) {
        let known = self.open_at(step).or_else(|| self.steps.iter().rposition(|s| s.step == step));
        let at = known.unwrap_or_else(|| self.open(step, true, now));
        self.steps[at].add(&bounded(fact), 1);
        self.bound();
    }

    /// A step ends; how long it took.
    pub(super) fn end(&mut self, step: &str, outcome: &str, now: SinceBoot) -> Duration {
        let began = self.open_at(step).map_or(now, |at| self.steps[at].began);
        self.close(step, outcome, now);
        let passing = self.steps.iter().filter(|s| s.passing && s.ended.is_none());
        for step in passing.map(|s| s.step.clone()).collect::<Vec<_>>() {
            self.close(&step, "done", now);
        }
        now.since(began)
    }

    fn open_at(&self, step: &str) -> Option<usize> {
        self.steps.iter().rposition(|s| s.step == step && s.ended.is_none())
    }

    fn open(&mut self, step: &str, passing: bool, now: SinceBoot) -> usize {
        self.steps.push(StepStory {
            step: step.to_owned(),
            began: now,
            times: 1,
            passing,
            ..Default::default()
        });
        self.bound();
        self.steps.len() - 1
    }

    /// The step has ended. One that ended so before is counted, and its facts with it.
    fn close(&mut self, step: &str, outcome: &str, now: SinceBoot) {
        let Some(at) = self.open_at(step) else { return };
        let outcome = bounded(outcome);
        let is_same = |s: &StepStory| s.step == step && s.outcome.as_ref() == Some(&outcome);
        match self.steps.iter().position(is_same) {
            None => {
                let step = &mut self.steps[at];
                (step.ended, step.outcome, step.waits_for, step.waits_since) =
                    (Some(now), Some(outcome), None, None);
            }
            Some(before) => {
                let again = self.steps.remove(at);
                let mut step = self.steps.remove(before);
                (step.times, step.last) = (step.times + 1, Some(now));
                step.facts_left_out += again.facts_left_out;
                for fact in &again.facts {
                    step.add(fact.text(), fact.times());
                }
                // What happened last stands last.
                self.steps.insert(at - 1, step);
            }
        }
    }

    /// Leaves out what is too much: after the first steps, those that ended longest ago.
    fn bound(&mut self) {
        let is_over = |story: &Self| {
            story.steps.len() > STEPS || story.steps.iter().map(StepStory::size).sum::<usize>() > SIZE
        };
        while is_over(self) {
            let later = self.steps.iter().enumerate().skip(FIRST_STEPS).filter(|(_, s)| s.ended.is_some());
            let oldest = later.min_by_key(|(_, s)| s.last.or(s.ended)).map(|(at, _)| at);
            // A few huge ones are too much as well.
            let at = oldest.or_else(|| self.steps.iter().position(|s| s.ended.is_some()));
            let Some(at) = at else { return };
            self.steps_left_out += self.steps.remove(at).times;
        }
    }
}

impl StepStory {
    fn size(&self) -> usize {
        let texts = self.outcome.iter().chain(&self.waits_for).map(|text| written(text));
        let facts = self.facts.iter().map(|fact| FACT_FRAME + written(fact.text()));
        STEP_FRAME + texts.chain(facts).sum::<usize>()
    }

    fn add(&mut self, fact: &str, times: u64) {
        if let Some(known) = self.facts.iter_mut().find(|known| known.text() == fact) {
            *known = Fact::Again { fact: fact.to_owned(), times: known.times() + times };
            return;
        }
        if self.facts.len() >= FACTS {
            self.facts_left_out += self.facts.remove(FIRST_FACTS).times();
        }
        self.facts.push(match times {
            1 => Fact::Once(fact.to_owned()),
            _ => Fact::Again { fact: fact.to_owned(), times },
        });
    }
}
