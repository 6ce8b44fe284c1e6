//! `berth boot`.

use super::failed;
use crate::timeline::Shown;
use crate::world::world;
use crate::{imds, lock_file};
use berth_lifecycle::boot::Ended;
use berth_lifecycle::ports::Timeline;
use berth_lifecycle::{Step, boot as story};
use berth_plan::config::Config;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

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
    let (code, how) = tokio::select! {
        ended = ended(config, timeline.clone()) => ended,
        _ = terminate.recv() => (TERMINATED, "ended by SIGTERM; nothing was told, the next run goes on".to_owned()),
        _ = interrupt.recv() => (TERMINATED, "ended by SIGINT; nothing was told, the next run goes on".to_owned()),
    };
    timeline.end(&how);
    if code == 0 {
        tracing::info!("{how}");
        return 0;
    }
    failed(&how, code)
}

async fn ended(config: Config, timeline: Arc<Shown>) -> (u8, String) {
    timeline.began(Step::Identify);
    let patience = Duration::from_millis(config.deadline);
    let metadata = imds::read(patience, &|what| timeline.waiting(Step::Identify, what)).await;
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(sentence) => return (1, sentence),
    };
    timeline.known_as(metadata.me.instance.as_str());
    timeline.ended(
        Step::Identify,
        &format!("{} in {}, {}", metadata.me.instance, metadata.me.zone, metadata.me.instance_type),
    );
    let world = match world(config, metadata, timeline).await {
        Ok(world) => world,
        Err(sentence) => return (1, sentence),
    };
    let ended = story(&world.run).await;
    world.zookeeper.close().await;
    match ended {
        Ended::Ready(slot) => (0, format!("broker {slot} is ready on {}", world.run.me.instance)),
        Ended::NotNow(why) => (0, why),
        Ended::GaveUp(sentence, code) => (code, sentence),
    }
}
