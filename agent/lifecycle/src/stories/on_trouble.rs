//! What a boot does about trouble: again, choose again, or give up and say so.
//!
//! Giving up begins by looking for my claim and my attachments. A claim marked `started` is not given up.

use super::pass_over::pass_over;
use super::unwind::{Why, unwind};
use crate::retry::{CALLS, Patience, pause};
use crate::steps::{report_unhealthy, signal_failure};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::{Course, Ending, Kind, Phase, SlotAction, at_deadline, course};
use berth_plan::records::{Claim, State};

/// What comes after trouble.
pub(crate) enum After {
    /// The story from the top.
    Again,
    /// The end: a sentence and the exit code.
    Ended(String, u8),
}

pub(crate) async fn settle(boot: &Boot, trouble: Trouble) -> After {
    let phase = phase(boot).await;
    if trouble.choose_again && phase != Phase::Started {
        // What went to another is let go of; the claim, where it names another, is left as it is.
        if let Err(left) = unwind(boot, Why::Elsewhere(&trouble.sentence)).await {
            tracing::warn!("{left}");
        }
        return again_or_end(boot, trouble, Phase::NoSlot).await;
    }
    match course(trouble.kind, phase) {
        Course::Retry => again_or_end(boot, trouble, phase).await,
        Course::ChooseAgain => match pass_over(boot, &trouble).await {
            Ok(()) => again_or_end(boot, Trouble { kind: Kind::NoSlot, ..trouble }, Phase::NoSlot).await,
            Err(left) => again_or_end(boot, left, phase).await,
        },
        Course::End(ending) => end(boot, trouble, ending).await,
    }
}

/// How far this boot has come, in this run or an earlier one.
async fn phase(boot: &Boot) -> Phase {
    let Ok(records) = boot.ports.claims.records().await else {
        // What this run, or the note of an earlier one, knows of itself.
        return match boot.progress() {
            progress if progress.started => Phase::Started,
            progress if progress.attached => Phase::Attached,
            _ => Phase::NoSlot,
        };
    };
    boot.started_by_claims(&records);
    let held = records.values().filter_map(|r| Some(&r.claim.as_ref()?.value));
    let is_mine = |claim: &Claim| claim.names() == Some(&boot.me.instance) && claim.state == State::Held;
    match boot.progress() {
        progress if progress.started => Phase::Started,
        progress if progress.attached || held.into_iter().any(is_mine) => Phase::Attached,
        _ => Phase::NoSlot,
    }
}

async fn again_or_end(boot: &Boot, trouble: Trouble, phase: Phase) -> After {
    // Trouble after trouble is met more and more slowly.
    boot.progressed(|p| p.troubles += 1);
    let troubles = boot.progress().troubles;
    if !boot.is_overdue() {
        pause(boot, CALLS.wait(troubles, |bound| boot.ports.host.random(bound))).await;
        return After::Again;
    }
    match at_deadline(trouble.kind, phase) {
        Course::End(ending) => end(boot, trouble, ending).await,
        Course::Retry | Course::ChooseAgain => {
            pause(boot, CALLS.wait(troubles, |bound| boot.ports.host.random(bound))).await;
            After::Again
        }
    }
}

async fn end(boot: &Boot, trouble: Trouble, ending: Ending) -> After {
    if ending.slot != SlotAction::Keep {
        boot.ports.timeline.began(Step::Unwind);
        let unwound = unwind(boot, Why::GaveUp(&trouble.sentence)).await;
        let outcome = unwound.err().map_or_else(|| "done".to_owned(), |left| left.sentence);
        boot.ports.timeline.ended(Step::Unwind, &outcome);
    }
    if ending.failure || ending.unhealthy {
        boot.ports.timeline.began(Step::Signal);
        let outcome = told(boot, ending).await.err().unwrap_or_else(|| "done".to_owned());
        boot.ports.timeline.ended(Step::Signal, &outcome);
    }
    boot.deadline_ends();
    After::Ended(trouble.to_string(), ending.exit)
}

/// Tells what is to be told; what could not be, as a sentence.
async fn told(boot: &Boot, ending: Ending) -> Result<(), String> {
    let mut untold = Vec::new();
    if ending.failure
        && let Err(trouble) = signal_failure(boot).await
    {
        tracing::error!("failure could not be told: {trouble}");
        untold.push(format!("failure could not be told: {}", trouble.sentence));
    }
    if ending.unhealthy
        && let Err(trouble) = report_unhealthy(boot).await
    {
        tracing::error!("unhealthy could not be told: {trouble}");
        untold.push(format!("unhealthy could not be told: {}", trouble.sentence));
    }
    if untold.is_empty() { Ok(()) } else { Err(untold.join("; ")) }
}
