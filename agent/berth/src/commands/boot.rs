//! `berth boot`.

#[cfg(test)]
mod tests;

use super::failed;
use crate::aws::imds;
use crate::host::ThisHost;
use crate::host::lock_file;
use crate::host::timeline::{FILE, Outcome, Shown};
use crate::panics::caught;
use crate::wiring::{Wiring, token, wire};
use berth_lifecycle::ports::{Host, Timeline};
use berth_lifecycle::stories::boot::{Ended, boot as story};
use berth_lifecycle::stories::release::take_back;
use berth_lifecycle::stories::unconfigured as story_without_configuration;
use berth_lifecycle::{Boot, Step, deadline, metadata_patience};
use berth_plan::config::Config;
use berth_plan::outcome::EXIT_CONFIGURATION;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends a run from outside, with the exit code that a shell gives it.
const TERMINATED: (&str, u8) = ("SIGTERM", 143);
const INTERRUPTED: (&str, u8) = ("SIGINT", 130);

/// A run that a bug ended before its deadline: systemd starts it again (`RestartForceExitStatus=` of the unit), and it
/// goes on where it stood. EX_SOFTWARE of sysexits.h.
const CRASHED: u8 = 70;

pub(super) async fn boot(config: Config, again: bool) -> u8 {
    let boot_id = match imds::boot_id() {
        Ok(id) => id,
        Err(sentence) => return failed(&sentence, 1),
    };
    let within = config.deadline;
    let _lock = match lock_file::take(within, &|what| tracing::info!("waiting for {what}")) {
        Ok(lock) => lock,
        Err(sentence) => return failed(&sentence, 1),
    };
    if again && let Err(error) = take_back(&ThisHost) {
        return failed(&error.to_string(), 1);
    }
    let timeline = Arc::new(Shown::new(FILE, boot_id.as_str()));
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => return failed(&format!("listen for signals: {error}"), 1),
        };
    let ended = async {
        let (wiring, state) = tokio::select! {
            begun = begin(config.clone(), &timeline) => begun?,
            signal = ended_by(&mut terminate, &mut interrupt) => return Ok(cut_off(signal, &timeline)),
        };
        let ended = tokio::select! {
            ended = story(&state) => ended_as(&state, ended),
            signal = ended_by(&mut terminate, &mut interrupt) => cut_off(signal, &timeline),
        };
        if ended.0 != Outcome::Ready {
            wiring.zookeeper.leave_no_empty_tree(&state.me.instance).await;
        }
        // An exit without this leaves the lock and the intent in the way of every other booting instance.
        wiring.zookeeper.close().await;
        Ok::<_, String>(ended)
    };
    let tell = async |bug: &str| tell_failure(config.clone(), bug).await;
    let (outcome, code, how) = in_good_order(ended, &ThisHost, &config, tell).await;
    timeline.end(outcome, code, &how);
    if code == 0 {
        tracing::info!("{how}");
        return 0;
    }
    failed(&how, code)
}

/// Awaits the end of a boot, be it by a bug. Once the deadline is over nobody waits for another try: the bug is told.
async fn in_good_order(
    ended: impl Future<Output = Result<(Outcome, u8, String), String>>,
    host: &dyn Host,
    config: &Config,
    tell: impl AsyncFnOnce(&str),
) -> (Outcome, u8, String) {
    let bug = match caught(ended).await {
        Ok(Ok(ended)) => return ended,
        Ok(Err(sentence)) => return (Outcome::GaveUp, 1, sentence),
        Err(bug) => bug,
    };
    if host.since_boot() < deadline(host, config) {
        return (Outcome::CutOff, CRASHED, format!("{bug}; it is run again"));
    }
    if let Err(again) = caught(tell(&bug)).await {
        tracing::error!("failure could not be told: {again}");
    }
    (Outcome::GaveUp, 1, bug)
}

/// Identity, and all that hangs on it. Nothing is touched so far.
async fn begin(config: Config, timeline: &Arc<Shown>) -> Result<(Wiring, Boot), String> {
    timeline.began(Step::Identify);
    // The wait for the metadata is of the boot's one deadline; a holder waits for ever.
    let deadline = deadline(&ThisHost, &config);
    let patience = metadata_patience(&ThisHost, &config);
    if patience.is_some() {
        timeline.waits_until(deadline);
    }
    let patience = patience.unwrap_or(Duration::MAX);
    let metadata = imds::read(patience, &|what| timeline.waiting(Step::Identify, what)).await?;
    let me = &metadata.me;
    timeline.known_as(me.instance.as_str());
    timeline.ended(Step::Identify, &format!("{} in {}, {}", me.instance, me.zone, me.instance_type));
    let wiring = wire(config, metadata, timeline.clone()).await?;
    let state = Boot::new(wiring.agent.clone(), token(&wiring.agent.me)?, deadline);
    Ok((wiring, state))
}

/// How long the metadata may be away where the configuration cannot be used: no stack listens longer (CloudFormation,
/// "CreationPolicy": at most PT12H).
const TOLD_WITHIN: Duration = Duration::from_secs(12 * 3600);

/// Tells the stack of the instance's tags, since the configuration that might name another cannot be read. It is tried for
/// as long as a stack may listen; SIGTERM ends that as it ends any process.
pub(super) async fn unconfigured(sentence: &str) {
    // Another run of this boot, with a configuration that it could read, is not contradicted.
    let _lock = match lock_file::take(TOLD_WITHIN, &|what| tracing::info!("waiting for {what}")) {
        Ok(lock) => lock,
        Err(sentence) => return tracing::error!("failure could not be told: {sentence}"),
    };
    tell_failure(Config::unread(), sentence).await;
}

/// Tells FAILURE with this sentence, unless a broker is started on this instance. Whoever calls has the lock.
async fn tell_failure(config: Config, sentence: &str) {
    let told = async {
        let timeline = Arc::new(Shown::new(FILE, imds::boot_id()?.as_str()));
        let metadata = imds::read(TOLD_WITHIN, &|what| timeline.waiting(Step::Identify, what)).await?;
        timeline.known_as(metadata.me.instance.as_str());
        let deadline = deadline(&ThisHost, &config);
        let wiring = wire(config, metadata, timeline.clone()).await?;
        let token = token(&wiring.agent.me)?;
        story_without_configuration(&Boot::new(wiring.agent, token, deadline)).await;
        timeline.end(Outcome::GaveUp, EXIT_CONFIGURATION, sentence);
        Ok::<_, String>(())
    };
    if let Err(why) = told.await {
        tracing::error!("failure could not be told: {why}");
    }
}

pub(super) async fn ended_by(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, u8) {
    tokio::select! {
        _ = terminate.recv() => TERMINATED,
        _ = interrupt.recv() => INTERRUPTED,
    }
}

/// A run that was ended in the midst. It tells nobody; what it was telling just then may have been heard.
fn cut_off((signal, code): (&str, u8), timeline: &Shown) -> (Outcome, u8, String) {
    let steps = timeline.under_way();
    let told = if steps.contains(&Step::Signal) {
        "what it was telling may have been heard and is told again"
    } else {
        "nothing was told"
    };
    let steps: Vec<&str> = steps.into_iter().map(Step::name).collect();
    let at =
        if steps.is_empty() { "between two steps".to_owned() } else { format!("at: {}", steps.join(", ")) };
    (Outcome::CutOff, code, format!("ended by {signal} {at}; {told}, the next run goes on"))
}

fn ended_as(state: &Boot, ended: Ended) -> (Outcome, u8, String) {
    match ended {
        Ended::Ready(slot) => (Outcome::Ready, 0, format!("broker {slot} is ready on {}", state.me.instance)),
        Ended::NotNow(why) => (Outcome::NotNow, 0, why),
        Ended::GaveUp(sentence, code) => (Outcome::GaveUp, code, sentence),
    }
}
