//! What a boot does about trouble: again, choose again, or give up and say so.
//!
//! Giving up begins by looking for my claim and my attachments. A claim marked `started` is not given up.

use crate::pass_over::pass_over;
use crate::patience::CALLS;
use crate::steps::{tell_failure, tell_unhealthy};
use crate::unwind::{Why, unwind};
use crate::{Run, Step, Trouble};
use berth_plan::claim::{Claim, State};
use berth_plan::telling::{Course, Ending, Kind, Phase, Slot, at_deadline, course};

/// What comes after trouble.
pub(crate) enum After {
    /// The story from the top.
    Again,
    /// The end: a sentence and the exit code.
    Ended(String, u8),
}

pub(crate) async fn settle(run: &Run, trouble: Trouble) -> After {
    let phase = phase(run).await;
    if trouble.choose_again && phase != Phase::Started {
        // What went to another is let go of; the claim, where it names another, is left as it is.
        if let Err(left) = unwind(run, Why::Elsewhere(&trouble.sentence)).await {
            tracing::warn!("{left}");
        }
        return again_or_end(run, trouble, Phase::NoSlot).await;
    }
    match course(trouble.kind, phase) {
        Course::Retry => again_or_end(run, trouble, phase).await,
        Course::ChooseAgain => match pass_over(run, &trouble).await {
            Ok(()) => again_or_end(run, Trouble { kind: Kind::NoSlot, ..trouble }, Phase::NoSlot).await,
            Err(left) => again_or_end(run, left, phase).await,
        },
        Course::End(ending) => end(run, trouble, ending).await,
    }
}

/// How far this boot has come, in this run or an earlier one.
async fn phase(run: &Run) -> Phase {
    let Ok(records) = run.ports.claims.records().await else {
        // What this run, or the note of an earlier one, knows of itself.
        return match run.progress() {
            progress if progress.started => Phase::Started,
            progress if progress.attached => Phase::Attached,
            _ => Phase::NoSlot,
        };
    };
    run.started_by_claims(&records);
    let held = records.values().filter_map(|r| Some(&r.claim.as_ref()?.value));
    let is_mine = |claim: &Claim| claim.names() == Some(&run.me.instance) && claim.state == State::Held;
    match run.progress() {
        progress if progress.started => Phase::Started,
        progress if progress.attached || held.into_iter().any(is_mine) => Phase::Attached,
        _ => Phase::NoSlot,
    }
}

async fn again_or_end(run: &Run, trouble: Trouble, phase: Phase) -> After {
    // Trouble after trouble is met more and more slowly.
    run.progressed(|p| p.troubles += 1);
    let troubles = run.progress().troubles;
    if !run.is_overdue() {
        run.pause(CALLS.wait(troubles, |bound| run.ports.host.random(bound))).await;
        return After::Again;
    }
    match at_deadline(trouble.kind, phase) {
        Course::End(ending) => end(run, trouble, ending).await,
        Course::Retry | Course::ChooseAgain => {
            run.pause(CALLS.wait(troubles, |bound| run.ports.host.random(bound))).await;
            After::Again
        }
    }
}

async fn end(run: &Run, trouble: Trouble, ending: Ending) -> After {
    if ending.slot != Slot::Keep {
        run.ports.timeline.began(Step::Unwind);
        let unwound = unwind(run, Why::GaveUp(&trouble.sentence)).await;
        let outcome = unwound.err().map_or_else(|| "done".to_owned(), |left| left.sentence);
        run.ports.timeline.ended(Step::Unwind, &outcome);
    }
    if ending.failure || ending.unhealthy {
        run.ports.timeline.began(Step::Signal);
        let outcome = told(run, ending).await.err().unwrap_or_else(|| "done".to_owned());
        run.ports.timeline.ended(Step::Signal, &outcome);
    }
    run.deadline_ends();
    After::Ended(trouble.to_string(), ending.exit)
}

/// Tells what is to be told; what could not be, as a sentence.
async fn told(run: &Run, ending: Ending) -> Result<(), String> {
    let mut untold = Vec::new();
    if ending.failure
        && let Err(trouble) = tell_failure(run).await
    {
        tracing::error!("failure could not be told: {trouble}");
        untold.push(format!("failure could not be told: {}", trouble.sentence));
    }
    if ending.unhealthy
        && let Err(trouble) = tell_unhealthy(run).await
    {
        tracing::error!("unhealthy could not be told: {trouble}");
        untold.push(format!("unhealthy could not be told: {}", trouble.sentence));
    }
    if untold.is_empty() { Ok(()) } else { Err(untold.join("; ")) }
}
