//! Step 7, second half: the log dir on the mounted volume belongs to this slot and to this cluster.

use crate::parts::evidence::evidence;
use crate::parts::held::Held;
use crate::retry::{LOOKS, Next, Patience, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::disk::Fs;
use berth_plan::outcome::Kind;
use berth_plan::records::FaultCode;
use berth_plan::service::identity::empty_start::{Verdict, judge};
use berth_plan::service::identity::{Expected, Found, Refused, Start, agrees, other_cluster};
use std::time::Duration;

const STEP: Step = Step::Storage;

/// For how long an empty start waits for leaders elsewhere: the controller needs the session time-out of a broker that
/// died (18 s unless set) and its own election.
const LEADERS_WITHIN: Duration = Duration::from_secs(120);

/// The disk has the last word: `meta.properties` must agree with the slot and with the cluster.
pub(crate) async fn prove_identity(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    if held.slot.volume.is_none() {
        return Ok(());
    }
    let (mount, log_dir) = (&boot.config.mount, &boot.config.log_dir);
    let found = boot.ports.disks.identity(mount, log_dir).await.map_err(|e| Trouble::disk(STEP, e))?;
    let cluster = retry(boot, STEP, async || {
        boot.ports.registrations.cluster().await.map_err(|error| Trouble::register(STEP, &error).into())
    })
    .await?;
    let is_known_there = is_known_there(boot, &found, cluster.as_deref()).await?;
    let expected = Expected {
        id: held.slot.id,
        cluster: cluster.as_deref(),
        is_known_there,
        log_dir,
        root_may_hold_logs: held.claim.disk.as_ref().is_none_or(|disk| disk.fs != Fs::Ext4),
    };
    match agrees(&found, &expected).map_err(refused)? {
        Start::WithData => {}
        Start::Empty => wait_for_leaders_elsewhere(boot, held).await?,
    }
    boot.ports
        .disks
        .prepare_log_dir(mount, log_dir, &boot.config.user)
        .await
        .map_err(|e| Trouble::disk(STEP, e))
}

fn refused(refused: Refused) -> Trouble {
    match refused {
        Refused::Fault(sentence) => Trouble::fault(STEP, FaultCode::Identity, sentence),
        Refused::Configuration(sentence) => Trouble::new(STEP, Kind::Configuration, sentence),
    }
}

/// Whether the claims remember a registration of any slot: asked only where the disk names another cluster.
async fn is_known_there(boot: &Boot, found: &Found, cluster: Option<&str>) -> Result<bool, Trouble> {
    if other_cluster(found, cluster).is_none() {
        return Ok(true);
    }
    let records = retry(boot, STEP, async || {
        boot.ports.claims.records().await.map_err(|error| Trouble::claims(STEP, &error).into())
    })
    .await?;
    Ok(records.values().any(|r| r.claim.as_ref().is_some_and(|claim| claim.value.registered.is_some())))
}

/// A log dir with nothing in it: nothing starts on it while it could lead what it does not have.
async fn wait_for_leaders_elsewhere(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let log_dir = &boot.config.log_dir;
    let began = boot.ports.host.since_boot();
    let mut looks = 0;
    loop {
        let evidence = retry(boot, STEP, async || {
            let looked =
                evidence(boot.ports.registrations.as_ref(), held.slot.id, &held.claim, log_dir).await;
            looked.map_err(|error| Next::from(Trouble::register(STEP, &error)))
        })
        .await?;
        let awaited = match judge(&evidence) {
            Verdict::Refused(why) => return Err(refused(why)),
            Verdict::Wait(awaited) => awaited,
            Verdict::Accepted => {
                if let Some(reset) = evidence.reset {
                    let (count, by) = (evidence.partitions.len(), &reset.by);
                    boot.ports.timeline.fact(
                        STEP,
                        &format!(
                            "{log_dir} begins empty, by the word of {by}; {count} partitions name this broker"
                        ),
                    );
                }
                return Ok(());
            }
        };
        boot.ports.timeline.waiting(STEP, &awaited);
        let waited = boot.ports.host.since_boot().since(began);
        if waited >= LEADERS_WITHIN || boot.is_overdue() {
            let sentence = format!("{log_dir} is empty: waited {} s for {awaited}", waited.as_secs());
            return Err(Trouble::new(STEP, Kind::ControlPlane, sentence));
        }
        pause(boot, LOOKS.wait(looks, |bound| boot.ports.host.random(bound))).await;
        looks += 1;
    }
}
