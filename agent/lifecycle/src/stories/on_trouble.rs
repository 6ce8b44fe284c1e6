//! What a boot does about trouble: again, choose again, tell FAILURE and go on, or give up and say so.
//!
//! The table is `berth_plan::outcome::course`; nothing is decided beside it. Giving up begins by looking for my claim and my
//! attachments. A claim marked `started` is not given up.

use super::pass_over::pass_over;
use super::unwind::{Unwound, Why, let_go, unwind};
use crate::ports::Transition;
use crate::retry::{CALLS, pause};
use crate::steps::{TOLD_SOON, complete_hooks, report_unhealthy, signal_failure};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::{Course, Ending, Kind, Phase, SlotAction, course};
use berth_plan::records::{Claim, State};
use berth_plan::time::millis;
use futures_util::future::{Either, join, select};
use std::pin::pin;
use std::time::Duration;

/// What comes after trouble.
pub(crate) enum After {
    /// The story from the top.
    Again,
    /// The end: a sentence and the exit code.
    Ended(String, u8),
}

/// Does what the table says.
pub(crate) async fn settle(boot: &Boot, trouble: Trouble) -> After {
    let phase = phase(boot).await;
    let course = course(trouble.kind, phase, boot.is_late(&trouble));
    boot.progressed(|p| p.met = (course == Course::Retry).then(|| trouble.clone()));
    match course {
        Course::Retry => again(boot).await,
        Course::ChooseAgain { record_fault } => {
            let let_go = match record_fault {
                true => pass_over(boot, &trouble).await,
                false => let_go(boot, Why::Elsewhere(&trouble.sentence)).await,
            };
            match let_go {
                // The record keeps this slot out of the next choice: nothing to wait for.
                Ok(_) if record_fault => After::Again,
                Ok(_) => again(boot).await,
                Err(left) => not_let_go(boot, left, phase).await,
            }
        }
        Course::FailAndGoOn => fail_and_go_on(boot).await,
        Course::End(ending) => end(boot, trouble, ending).await,
    }
}

/// A slot that could not be let go of is tried again; at the deadline, what kept it decides.
async fn not_let_go(boot: &Boot, left: Trouble, phase: Phase) -> After {
    boot.ports.timeline.waiting(Step::Unwind, &left.sentence);
    match course(left.kind, phase, boot.is_late(&left)) {
        Course::Retry | Course::ChooseAgain { .. } => again(boot).await,
        Course::FailAndGoOn => fail_and_go_on(boot).await,
        Course::End(ending) => end(boot, left, ending).await,
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

/// Trouble after trouble is met more and more slowly.
async fn again(boot: &Boot) -> After {
    boot.progressed(|p| p.troubles += 1);
    let troubles = boot.progress().troubles;
    pause(boot, CALLS.wait(troubles, |bound| boot.ports.host.random(bound))).await;
    After::Again
}

/// For how long one telling may hold up the run that goes on; the next trouble tries it again.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// How long a run that has told FAILURE waits before it tries again.
const SLOWER: Duration = Duration::from_secs(60);

async fn fail_and_go_on(boot: &Boot) -> After {
    let told = pin!(signal_failure(boot));
    let over = pin!(boot.ports.host.sleep(TOLD_WITHIN));
    match select(told, over).await {
        Either::Left((Err(untold), _)) => tracing::warn!("failure could not be told yet: {untold}"),
        Either::Left((Ok(()), _)) | Either::Right(_) => {}
    }
    boot.begin_another_deadline();
    let wait = SLOWER / 2 + Duration::from_millis(boot.ports.host.random(millis(SLOWER / 2)));
    boot.ports.host.sleep(wait).await;
    After::Again
}

async fn end(boot: &Boot, trouble: Trouble, ending: Ending) -> After {
    if ending.slot == SlotAction::Unwind {
        boot.ports.timeline.began(Step::Unwind);
        let unwound = unwind(boot, Why::GaveUp(&trouble.sentence)).await;
        let outcome = match &unwound {
            Ok(Unwound::Done) => "done".to_owned(),
            Ok(Unwound::Left(left)) => left.clone(),
            Ok(Unwound::IsHolder) => "this instance is the holder of a started slot: it goes on".to_owned(),
            Err(kept) => kept.sentence.clone(),
        };
        boot.ports.timeline.ended(Step::Unwind, &outcome);
        match unwound {
            Ok(Unwound::IsHolder) => return After::Again,
            // Who could not begin to give its slot back keeps it, and tries on.
            Err(kept) if matches!(kept.kind, Kind::ControlPlane | Kind::Permission) => {
                return fail_and_go_on(boot).await;
            }
            _ => {}
        }
    }
    if ending.failure || ending.unhealthy {
        boot.ports.timeline.began(Step::Signal);
        if ending.failure {
            complete_hooks(boot, Transition::Launching, false, TOLD_SOON).await;
        }
        let outcome = told(boot, ending).await.err().unwrap_or_else(|| "done".to_owned());
        boot.ports.timeline.ended(Step::Signal, &outcome);
    }
    boot.deadline_ends();
    After::Ended(trouble.to_string(), ending.exit)
}

/// Tells what is to be told; what could not be, as a sentence.
async fn told(boot: &Boot, ending: Ending) -> Result<(), String> {
    // Side by side: each may be tried for hours.
    let failure = async { if ending.failure { signal_failure(boot).await } else { Ok(()) } };
    let unhealthy = async { if ending.unhealthy { report_unhealthy(boot).await } else { Ok(()) } };
    let (failure, unhealthy) = join(failure, unhealthy).await;
    let mut untold = Vec::new();
    if let Err(trouble) = failure {
        tracing::error!("failure could not be told: {trouble}");
        untold.push(format!("failure could not be told: {}", trouble.sentence));
    }
    if let Err(trouble) = unhealthy {
        tracing::error!("unhealthy could not be told: {trouble}");
        untold.push(format!("unhealthy could not be told: {}", trouble.sentence));
    }
    if untold.is_empty() { Ok(()) } else { Err(untold.join("; ")) }
}
