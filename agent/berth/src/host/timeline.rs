//! The timeline of a boot: lines on stderr, and `/run/berth/boot.json` for `berth status`.

use crate::host::{RUN, ThisHost};
use crate::units;
use berth_lifecycle::Step;
use berth_lifecycle::ports::{Host, Timeline};
use berth_plan::SinceBoot;
use std::sync::Mutex;

mod story;

use story::Wait;
pub(crate) use story::{Outcome, StepStory, Story};

/// State file of a boot.
pub(crate) const FILE: &str = "boot.json";

/// State file of a release.
pub(crate) const RELEASE_FILE: &str = "release.json";

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

/// Writes the story as it goes.
pub(crate) struct Shown {
    file: &'static str,
    story: Mutex<Story>,
    under_way: Mutex<Vec<Step>>,
    deadline: Mutex<Option<SinceBoot>>,
}

impl Shown {
    /// Into this state file.
    pub(crate) fn new(file: &'static str, boot: &str) -> Self {
        let process = std::process::id();
        let began = began(process);
        let story = Story { boot: boot.to_owned(), process, began, ..Story::default() };
        let (story, under_way, deadline) = (Mutex::new(story), Mutex::default(), Mutex::default());
        let shown = Self { file, story, under_way, deadline };
        shown.change(|_| {});
        shown
    }

    pub(crate) fn known_as(&self, instance: &str) {
        self.change(|story| story.instance = instance.to_owned());
    }

    /// Until when what it waits for is waited for, by `Host::since_boot`. Who starts a service has no deadline any more.
    pub(crate) fn waits_until(&self, deadline: SinceBoot) {
        *self.deadline.lock().expect("no holder of this lock panics") = Some(deadline);
    }

    /// ", until …", while there is a deadline that has not passed.
    fn until(&self) -> String {
        let deadline = *self.deadline.lock().expect("no holder of this lock panics");
        let left =
            deadline.map(|deadline| deadline.since(ThisHost.since_boot())).filter(|left| !left.is_zero());
        left.map_or_else(String::new, |left| {
            let now = ThisHost.unix_time();
            format!(", until {}", units::until(now + left, now))
        })
    }

    /// The run ends: in which way, with which exit code, and the last sentence.
    pub(crate) fn end(&self, outcome: Outcome, exit: u8, how: &str) {
        self.change(|story| {
            (story.ended, story.outcome) = (Some(how.to_owned()), Some(outcome));
            (story.exit, story.ended_at) = (Some(exit), Some(ThisHost.unix_time()));
        });
    }

    /// The steps that began and have not ended. A fact or a wait alone begins none.
    pub(crate) fn under_way(&self) -> Vec<Step> {
        self.under_way.lock().expect("no holder of this lock panics").clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Story) -> T) -> T {
        let mut story = self.story.lock().expect("no holder of this lock panics");
        let changed = change(&mut story);
        let text =
            serde_json::to_string_pretty(&*story).expect("a story of texts and numbers is always JSON");
        if let Err(error) = ThisHost.note(self.file, &text) {
            tracing::debug!(%error, "the timeline in {RUN} is not up to date");
        }
        changed
    }
}

impl Timeline for Shown {
    fn began(&self, step: Step) {
        tracing::debug!(%step, "began");
        let is_anew = matches!(step, Step::Intend | Step::Unwind);
        let mut under_way = self.under_way.lock().expect("no holder of this lock panics");
        if is_anew {
            // What was under way was given up.
            under_way.clear();
        }
        under_way.push(step);
        drop(under_way);
        if step == Step::Start {
            *self.deadline.lock().expect("no holder of this lock panics") = None;
        }
        self.change(|story| story.begin(step.name(), is_anew, ThisHost.since_boot()));
    }

    fn waiting(&self, step: Step, what: &str) {
        match self.change(|story| story.wait(step.name(), what, ThisHost.since_boot())) {
            Wait::Another => tracing::info!(%step, "waiting for {what}{}", self.until()),
            Wait::Still(long) => {
                let long = units::duration(long);
                tracing::info!(%step, "still waiting, for {long}, for {what}{}", self.until());
            }
            Wait::Told => {}
        }
    }

    fn fact(&self, step: Step, fact: &str) {
        tracing::info!(%step, "{fact}");
        self.change(|story| story.fact(step.name(), fact, ThisHost.since_boot()));
    }

    fn ended(&self, step: Step, outcome: &str) {
        self.under_way.lock().expect("no holder of this lock panics").retain(|open| *open != step);
        let took = self.change(|story| story.end(step.name(), outcome, ThisHost.since_boot()));
        tracing::info!(%step, "{outcome}, after {}", units::duration(took));
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
