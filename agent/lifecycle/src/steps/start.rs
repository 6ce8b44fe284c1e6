//! Step 9: the unit, from the last look to its registration.

use super::attach::Held;
use super::storage::updated;
use crate::patience::{LOOKS, Next, retry};
use crate::ports::{Unit, UnitState};
use crate::{Run, Step, Trouble, notes};
use berth_plan::claim::{Claim, Registration};
use berth_plan::telling::Kind;
use berth_plan::{BootId, BrokerId, Millis};
use serde::{Deserialize, Serialize};

const STEP: Step = Step::Start;

/// For how long a change of the registration is waited for before the unit is looked at again.
const LOOK_EVERY: Millis = 1_000;

/// How many looks in a row may find the unit inactive after its start was asked for.
const INACTIVE_LOOKS: u32 = 10;

/// State file: the slot that this boot settled, which lets the unit start.
pub(crate) const SETTLED: &str = "settled.json";

/// What the state file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// The slot.
    pub(crate) slot: BrokerId,
    /// The kernel boot: another boot's file counts for nothing.
    pub(crate) boot: BootId,
    /// The serial of the mounted volume; none where slots have none.
    pub(crate) serial: Option<String>,
    /// ZooKeeper's transaction id of the `started` mark: our registration has a higher one.
    pub(crate) floor: i64,
}

/// Starts the unit and waits until it is registered; a unit that is ours and up is adopted.
pub(crate) async fn start(run: &Run, held: Held) -> Result<(Held, Registration), Trouble> {
    let settled = settled(run)?.filter(|s| s.slot == held.slot.id && s.boot == run.me.boot);
    let unit = unit(run).await?;
    let (held, floor) = match settled {
        Some(settled) if held.claim.started.is_some() && is_up(&unit) => {
            confirmed(run, &held).await?;
            run.progressed(|p| p.started = true);
            (held, settled.floor)
        }
        _ => started(run, held, &unit).await?,
    };
    let registration = registered(run, &held, floor).await?;
    let held = remembered(run, held, &registration).await?;
    Ok((held, registration))
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.state, UnitState::Active | UnitState::Activating)
}

async fn unit(run: &Run) -> Result<Unit, Trouble> {
    run.ports.service.unit(&run.config.unit).await.map_err(|e| Trouble::service(STEP, e))
}

fn settled(run: &Run) -> Result<Option<Settled>, Trouble> {
    let text = run.ports.host.recall(SETTLED).map_err(|e| Trouble::host(STEP, e))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Everything that comes before the start, in the order that a crash between any two lines needs.
async fn started(run: &Run, held: Held, unit: &Unit) -> Result<(Held, i64), Trouble> {
    let name = &run.config.unit;
    match unit.state {
        UnitState::Missing => {
            let sentence =
                format!("the unit {name} does not exist; install it, or name another in `kafka.unit`");
            return Err(Trouble::new(STEP, Kind::Configuration, sentence));
        }
        UnitState::Active | UnitState::Activating | UnitState::Deactivating => {
            let fact =
                format!("{name} is up though this boot settled no slot: stopped before the slot's own start");
            run.ports.timeline.fact(STEP, &fact);
            run.ports.service.stop(name).await.map_err(|e| Trouble::service(STEP, e))?;
        }
        UnitState::Inactive | UnitState::Failed => {}
    }
    stale_registration_is_gone(run, &held).await?;
    confirmed(run, &held).await?;
    let (held, floor) = marked(run, held).await?;
    let serial = held.slot.volume.as_ref().map(|volume| volume.id.serial());
    let settled = Settled { slot: held.slot.id, boot: run.me.boot.clone(), serial, floor };
    let text = serde_json::to_string(&settled).expect("a record of texts and numbers is always JSON");
    run.ports.host.note(SETTLED, &text).map_err(|e| Trouble::host(STEP, e))?;
    run.ports.service.start(name).await.map_err(|e| Trouble::service(STEP, e))?;
    run.ports.timeline.fact(STEP, &format!("{name} started on slot {}", held.slot.id));
    Ok((held, floor))
}

/// Kafka in ZooKeeper mode exits at once where its id is registered, a dead broker's too: its entry goes with its
/// session, within `zookeeper.session.timeout.ms` (18 s unless set).
async fn stale_registration_is_gone(run: &Run, held: &Held) -> Result<(), Trouble> {
    let id = held.slot.id;
    let began = run.ports.host.since_boot();
    retry(run, STEP, async || {
        loop {
            let Some(stale) = run.ports.registrations.of(id).await.map_err(|e| Trouble::claims(STEP, &e))?
            else {
                return Ok(());
            };
            let host = stale.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
            let waited = (run.ports.host.since_boot() - began) / 1000;
            let sentence = format!(
                "the registration of broker {id} at {host} to go with its session, {waited} s so far"
            );
            run.ports.timeline.waiting(STEP, &sentence);
            if run.is_overdue() {
                let sentence =
                    format!("waited {waited} s for {sentence}; a broker without a known holder may have it");
                return Err(Next::Stop(Trouble::new(STEP, Kind::NoSlot, sentence)));
            }
            run.ports.registrations.changed(id, 5_000).await;
        }
    })
    .await
}

/// The last look before the service runs: the slot's exclusive part is attached to me. Never skipped.
async fn confirmed(run: &Run, held: &Held) -> Result<(), Trouble> {
    let me = &run.me.instance;
    let mut looks = 0;
    retry(run, STEP, async || {
        looks += 1;
        let mut slot = held.slot.clone();
        if let Some(volume) = &mut slot.volume {
            let of_me = run.ports.cloud.volumes_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *volume = match of_me.into_iter().find(|v| v.id == volume.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&volume.id.to_string(), run, looks)),
            };
        } else if let Some(eni) = &mut slot.eni {
            let of_me = run.ports.cloud.enis_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *eni = match of_me.into_iter().find(|e| e.id == eni.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&eni.id.to_string(), run, looks)),
            };
        }
        let leaving = slot
            .volume
            .iter()
            .flat_map(|v| &v.attachments)
            .find(|a| !matches!(a.state.as_str(), "attached" | "attaching"));
        match leaving {
            None => Ok(()),
            Some(attachment) => {
                let sentence = format!(
                    "slot {}: its volume is {} on {me}; the service is not started on it",
                    slot.id, attachment.state
                );
                Err(Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence)))
            }
        }
    })
    .await
}

/// One read may be behind; several that agree mean that the volume is not mine.
fn not_attached(id: &str, run: &Run, looks: u32) -> Next {
    let sentence = format!("{id} is not attached to {} in {looks} reads before the start", run.me.instance);
    if looks < 4 {
        Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence))
    } else {
        Next::Stop(Trouble::elsewhere(STEP, sentence))
    }
}

/// `started` goes into the claim before the unit is started; refused, nothing is started.
async fn marked(run: &Run, held: Held) -> Result<(Held, i64), Trouble> {
    notes::about_to_start(run).map_err(|e| Trouble::host(STEP, e))?;
    let claim = held.claim.started(&run.me.boot, run.ports.host.unix_time());
    let written = updated(run, STEP, held.slot.id, &claim, held.version).await?;
    run.progressed(|p| p.started = true);
    Ok((Held { claim, version: written.version, ..held }, written.zxid))
}

/// Waits for our registration: newer than the floor, and of the invocation that is up now.
async fn registered(run: &Run, held: &Held, floor: i64) -> Result<Registration, Trouble> {
    let id = held.slot.id;
    let name = &run.config.unit;
    let began = run.ports.host.since_boot();
    let (mut looks, mut down) = (0, 0);
    loop {
        let before = unit(run).await?;
        let found = retry(run, STEP, async || {
            run.ports.registrations.of(id).await.map_err(|error| Trouble::claims(STEP, &error).into())
        })
        .await?;
        let after = unit(run).await?;
        if let Some(registration) = found
            && registration.czxid > floor
            && is_up(&after)
            && before.invocation == after.invocation
        {
            return Ok(registration);
        }
        // Between the request and the start, and in a restart by hand, a unit is inactive for a moment.
        down = if after.state == UnitState::Inactive { down + 1 } else { 0 };
        if after.state == UnitState::Failed || down > INACTIVE_LOOKS {
            let waited = (run.ports.host.since_boot() - began) / 1000;
            let sentence = format!(
                "{name} is {} ({}) after {waited} s and broker {id} is not registered; its own log says why: journalctl -u {name}",
                if after.state == UnitState::Failed { "failed" } else { "down" },
                after.result
            );
            return Err(Trouble::new(STEP, Kind::UnitFailed, sentence));
        }
        still_mine(run, held).await?;
        let waited = (run.ports.host.since_boot() - began) / 1000;
        run.ports.timeline.waiting(STEP, &format!("broker {id} to register, {name} up for {waited} s"));
        run.ports
            .registrations
            .changed(id, LOOK_EVERY.max(LOOKS.wait(looks, |b| run.ports.host.random(b)) / 4))
            .await;
        looks += 1;
    }
}

/// The zombie rule: where the claim names another, or the volume is gone from under the mount, the service is stopped at
/// once.
pub(super) async fn still_mine(run: &Run, held: &Held) -> Result<(), Trouble> {
    let Some(sentence) = lost(run, held).await? else { return Ok(()) };
    stopped(run, &sentence).await?;
    Err(Trouble::elsewhere(STEP, sentence))
}

/// Stops the service that has lost its slot, and takes the mount of a device that is gone out of the way.
pub(crate) async fn stopped(run: &Run, why: &str) -> Result<(), Trouble> {
    run.ports.timeline.fact(STEP, &format!("{why}: {} is stopped", run.config.unit));
    run.ports.host.forget(SETTLED).map_err(|e| Trouble::host(STEP, e))?;
    run.ports.service.stop(&run.config.unit).await.map_err(|e| Trouble::service(STEP, e))?;
    run.ports.disks.unmount(&run.config.mount).await.map_err(|e| Trouble::disk(STEP, e))
}

/// How the slot was lost; none where it is held, and where ZooKeeper is away and nothing can be known of the claim.
async fn lost(run: &Run, held: &Held) -> Result<Option<String>, Trouble> {
    if let Some(volume) = &held.slot.volume {
        let mounted = run.ports.disks.mounted(&run.config.mount).await.map_err(|e| Trouble::disk(STEP, e))?;
        if mounted.and_then(|mounted| mounted.serial).as_deref() != Some(volume.id.serial().as_str()) {
            return Ok(Some(format!("{} is gone from under {}", volume.id, run.config.mount)));
        }
    }
    let Ok(records) = run.ports.claims.record(held.slot.id).await else { return Ok(None) };
    let claim = records.claim.as_ref().map(|c| &c.value);
    let other = claim.and_then(Claim::names).filter(|other| **other != run.me.instance);
    Ok(other.map(|other| format!("slot {} is claimed by {other} now", held.slot.id)))
}

async fn remembered(run: &Run, held: Held, seen: &Registration) -> Result<Held, Trouble> {
    if held.claim.registered.as_ref().is_some_and(|r| r.czxid == seen.czxid) {
        return Ok(held);
    }
    let claim = held.claim.registered(seen.czxid, seen.endpoints.first().map(|(host, _)| host.clone()));
    let version = updated(run, STEP, held.slot.id, &claim, held.version).await?.version;
    Ok(Held { claim, version, ..held })
}
