//! `berth release`.

use super::boot::ended_by;
use super::failed;
use crate::aws::imds;
use crate::cli::ReleaseArgs;
use crate::host::systemd::{GoingDown, going_down};
use crate::host::timeline::{Outcome, RELEASE_FILE, Shown};
use crate::host::{ThisHost, lock_file};
use crate::panics::caught;
use crate::wiring::{token, wire};
use berth_lifecycle::ports::{Host, Timeline};
use berth_lifecycle::stories::release::{Ended, Request, release as story};
use berth_lifecycle::{Boot, Step};
use berth_plan::config::Config;
use berth_plan::service::leaving::Haste;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Nothing was touched, or something is left: another run goes on.
const FAILED: u8 = 1;

/// A bug ended it.
const CRASHED: u8 = 70;

/// How long a machine that goes down leaves to its units: EC2 ends an instance that is still stopping after some minutes, and
/// says not how many (amazon-eks-ami #2390 counts on three).
const AT_SHUTDOWN: Duration = Duration::from_secs(140);

pub(super) async fn release(config: Config, args: ReleaseArgs) -> u8 {
    let (request, within) = match asked(&args).await {
        Ok(asked) => asked,
        Err(why) => {
            tracing::info!("nothing is released: {why}");
            return 0;
        }
    };
    let deadline = ThisHost.since_boot() + within;
    let _lock = match lock_file::take(within, &|what| tracing::info!("waiting for {what}")) {
        Ok(lock) => lock,
        Err(sentence) => return failed(&sentence, FAILED),
    };
    let boot_id = match imds::boot_id() {
        Ok(id) => id,
        Err(sentence) => return failed(&sentence, FAILED),
    };
    let timeline = Arc::new(Shown::new(RELEASE_FILE, boot_id.as_str()));
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                return failed(&format!("listen for signals: {error}"), FAILED);
            }
        };
    let run = async {
        let metadata = imds::read(within, &|what| timeline.waiting(Step::Identify, what)).await?;
        timeline.known_as(metadata.me.instance.as_str());
        let wiring = wire(config, metadata, timeline.clone()).await?;
        let state = Boot::new(wiring.agent.clone(), token(&wiring.agent.me)?, deadline);
        let ended = tokio::select! {
            ended = story(&state, &request) => told(state.me.instance.as_str(), ended),
            (signal, code) = ended_by(&mut terminate, &mut interrupt) => {
                (Outcome::CutOff, code, format!("ended by {signal}; another `berth release` goes on"))
            }
        };
        wiring.zookeeper.close().await;
        Ok::<_, String>(ended)
    };
    let (outcome, code, how) = match caught(run).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(sentence)) => (Outcome::GaveUp, FAILED, sentence),
        Err(bug) => (Outcome::CutOff, CRASHED, format!("{bug}; run `berth release` again")),
    };
    timeline.end(outcome, code, &how);
    if code == 0 {
        tracing::info!("{how}");
        return 0;
    }
    failed(&how, code)
}

/// What is to be done, and within what time; why nothing is, where a unit is stopped on a machine that comes back.
async fn asked(args: &ReleaseArgs) -> Result<(Request, Duration), String> {
    let request = |reason: &str, haste| Request { reason: reason.to_owned(), haste, stays: args.stay };
    if !args.at_shutdown {
        let haste = if args.now { Haste::Now } else { Haste::Patient };
        return Ok((request(&args.reason, haste), args.within));
    }
    match going_down().await {
        GoingDown::ForGood(how) => {
            let haste = if args.now { Haste::Now } else { Haste::Bounded };
            Ok((request(&how, haste), args.within.min(AT_SHUTDOWN)))
        }
        GoingDown::NotForGood(why) => Err(why),
    }
}

fn told(instance: &str, ended: Ended) -> (Outcome, u8, String) {
    match ended {
        Ended::Released(Some(slot)) => {
            (Outcome::Released, 0, format!("{instance} has let go of slot {slot}"))
        }
        Ended::Released(None) => (Outcome::Released, 0, format!("{instance} has no slot, and takes none")),
        Ended::Partly(left) => (Outcome::GaveUp, FAILED, format!("{left}; another `berth release` goes on")),
        Ended::Stayed(why) => (Outcome::GaveUp, FAILED, why),
    }
}
