//! The last run of this kernel boot, by its timeline.

use super::super::facts::{Awaited, BootFacts, ReleasedFacts, StepFacts};
use super::super::sources::LastRun;
use crate::host::timeline::{StepStory, Story};
use berth_plan::UnixTime;
use berth_plan::time::millis;

/// The release of this instance, by its marker and the record of its run.
pub(super) fn released((at, reason, run): &(UnixTime, String, Option<Story>)) -> ReleasedFacts {
    let goes_on = run.as_ref().is_some_and(Story::goes_on);
    let open = run.iter().flat_map(|run| &run.steps).filter(|step| step.ended.is_none());
    let waits_for = open.filter_map(|step| step.waits_for.clone()).next_back().filter(|_| goes_on);
    ReleasedFacts { reason: reason.clone(), at: *at, goes_on, waits_for }
}

/// The timeline of the last run, and whether that run still goes on.
pub(super) fn boot(run: &LastRun) -> BootFacts {
    let none = |why: &str| BootFacts { state: why.to_owned(), ..BootFacts::default() };
    let Some(story) = run.story.as_ref() else {
        return none("no boot has run since the kernel started");
    };
    let Some(story) = Some(story).filter(|_| run.is_of_this_boot) else {
        return none("no boot has run since the kernel started; the timeline is of an earlier kernel boot");
    };
    let goes_on = story.ended.is_none() && run.is_alive;
    let state = match &story.ended {
        Some(ended) => ended.as_str(),
        None if goes_on => "running",
        // A run that a signal ended between two lines left no last word.
        None => "the last run ended without a word; the next one goes on",
    };
    let waits = |step: &StepStory| {
        let for_s = run.since_boot.since(step.waits_since?).as_secs();
        Some(Awaited { step: step.step.clone(), waits_for: step.waits_for.clone(), for_s })
    };
    let signal = story.steps.iter().rfind(|step| step.step == "signal");
    BootFacts {
        state: state.to_owned(),
        outcome: story.outcome,
        exit: story.exit,
        ended_at: story.ended_at,
        deadline: goes_on.then_some(run.deadline),
        awaited: goes_on
            .then(|| story.steps.iter().filter(|step| step.ended.is_none()).filter_map(waits).collect()),
        steps: Some(steps(story, run, goes_on)),
        steps_left_out: Some(story.steps_left_out).filter(|left| *left > 0),
        signalled: signal.into_iter().flat_map(|s| &s.facts).map(|fact| fact.text().to_owned()).collect(),
    }
}

fn steps(story: &Story, run: &LastRun, goes_on: bool) -> Vec<StepFacts> {
    let shown = |step: &StepStory| StepFacts {
        step: step.step.clone(),
        took_ms: step.ended.map(|ended| millis(ended.since(step.began))),
        since_ms: (step.ended.is_none() && goes_on).then(|| millis(run.since_boot.since(step.began))),
        outcome: match step.ended {
            Some(_) => step.outcome.clone(),
            None => (!goes_on).then(|| "cut off".to_owned()),
        },
        times: Some(step.times).filter(|times| *times > 1),
    };
    story.steps.iter().map(shown).collect()
}
