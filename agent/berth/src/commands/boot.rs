//! `berth boot`.

use super::failed;
use crate::timeline::Shown;
use crate::world::{World, world};
use crate::{imds, lock_file};
use berth_lifecycle::boot::Ended;
use berth_lifecycle::ports::Timeline;
use berth_lifecycle::{Step, boot as story};
use berth_plan::config::Config;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a run that SIGTERM ended, as a shell gives it: nothing was told, the next run goes on.
const TERMINATED: u8 = 143;

pub(super) async fn boot(config: Config) -> u8 {
    let boot_id = match imds::boot_id() {
        Ok(id) => id,
        Err(sentence) => return failed(&sentence, 1),
    };
    let _lock = match lock_file::take(&|what| tracing::info!("waiting for {what}")) {
        Ok(lock) => lock,
        Err(sentence) => return failed(&sentence, 1),
    };
    let timeline = Arc::new(Shown::new(boot_id.as_str()));
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => return failed(&format!("listen for signals: {error}"), 1),
        };
    let ended = async {
        let world = tokio::select! {
            world = begun(config, &timeline) => world?,
            how = ended_by(&mut terminate, &mut interrupt) => return Ok((TERMINATED, how)),
        };
        let ended = tokio::select! {
            ended = story(&world.run) => ended_as(&world, ended),
            how = ended_by(&mut terminate, &mut interrupt) => (TERMINATED, how),
        };
        // An exit without this leaves the lock and the intent in the way of every other booting instance.
        world.zookeeper.close().await;
        Ok::<_, String>(ended)
    };
    let (code, how) = match ended.await {
        Ok(ended) => ended,
        Err(sentence) => (1, sentence),
    };
    timeline.end(&how);
    if code == 0 {
        tracing::info!("{how}");
        return 0;
    }
    failed(&how, code)
}

/// Identity, and all that hangs on it. Nothing is touched so far.
async fn begun(config: Config, timeline: &Arc<Shown>) -> Result<World, String> {
    timeline.began(Step::Identify);
    let patience = Duration::from_millis(config.deadline);
    let metadata = imds::read(patience, &|what| timeline.waiting(Step::Identify, what)).await?;
    let me = &metadata.me;
    timeline.known_as(me.instance.as_str());
    timeline.ended(Step::Identify, &format!("{} in {}, {}", me.instance, me.zone, me.instance_type));
    world(config, metadata, timeline.clone()).await
}

async fn ended_by(terminate: &mut Signal, interrupt: &mut Signal) -> String {
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    format!("ended by {name}; nothing was told, the next run goes on")
}

fn ended_as(world: &World, ended: Ended) -> (u8, String) {
    match ended {
        Ended::Ready(slot) => (0, format!("broker {slot} is ready on {}", world.run.me.instance)),
        Ended::NotNow(why) => (0, why),
        Ended::GaveUp(sentence, code) => (code, sentence),
    }
}
