//! Step 9: the unit, from the last look to its registration.

use crate::parts::held::Held;
use crate::parts::held::write_claim;
use crate::parts::lost_service::stop_if_lost;
use crate::parts::notes;
use crate::parts::settled::{self, Settled};
use crate::ports::{Unit, UnitState};
use crate::retry::{LOOKS, Next, Patience, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::Millis;
use berth_plan::ec2::AttachmentState;
use berth_plan::outcome::Kind;
use berth_plan::service::{Incarnation, Registration};

const STEP: Step = Step::Start;

/// For how long a change of the registration is waited for before the unit is looked at again.
const LOOK_EVERY: Millis = 1_000;

/// How many looks in a row may find the unit inactive after its start was asked for.
const INACTIVE_LOOKS: u32 = 10;

/// Starts the unit and waits until it is registered; a unit that is ours and up is adopted.
pub(crate) async fn start_service(boot: &Boot, held: Held) -> Result<(Held, Registration), Trouble> {
    let settled = settled::read(boot.ports.host.as_ref())
        .map_err(|e| Trouble::host(STEP, e))?
        .filter(|s| s.slot == held.slot.id && s.boot == boot.me.boot);
    let unit = unit(boot).await?;
    let (held, before) = match settled {
        Some(settled) if held.claim.started.is_some() && is_up(&unit) => {
            confirmed(boot, &held).await?;
            boot.progressed(|p| p.started = true);
            (held, settled.before)
        }
        _ => started(boot, held, &unit).await?,
    };
    let registration = registered(boot, &held, before).await?;
    let held = remembered(boot, held, &registration).await?;
    Ok((held, registration))
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.state, UnitState::Active | UnitState::Activating)
}

async fn unit(boot: &Boot) -> Result<Unit, Trouble> {
    boot.ports.service.unit(&boot.config.unit).await.map_err(|e| Trouble::service(STEP, e))
}

/// Everything that comes before the start, in the order that a crash between any two lines needs.
async fn started(boot: &Boot, held: Held, unit: &Unit) -> Result<(Held, Option<Incarnation>), Trouble> {
    let name = &boot.config.unit;
    match unit.state {
        UnitState::Missing => {
            let sentence =
                format!("the unit {name} does not exist; install it, or name another in `kafka.unit`");
            return Err(Trouble::new(STEP, Kind::Configuration, sentence));
        }
        UnitState::Active | UnitState::Activating | UnitState::Deactivating => {
            let fact =
                format!("{name} is up though this boot settled no slot: stopped before the slot's own start");
            boot.ports.timeline.fact(STEP, &fact);
            boot.ports.service.stop(name).await.map_err(|e| Trouble::service(STEP, e))?;
        }
        UnitState::Inactive | UnitState::Failed => {}
    }
    let before = stale_registration_is_gone(boot, &held).await?;
    confirmed(boot, &held).await?;
    let held = marked(boot, held).await?;
    let serial = held.slot.volume.as_ref().map(|volume| volume.id.serial());
    let settled = Settled { slot: held.slot.id, boot: boot.me.boot.clone(), serial, before };
    settled::open_gate(boot.ports.host.as_ref(), &settled).map_err(|e| Trouble::host(STEP, e))?;
    boot.ports.service.start(name).await.map_err(|e| Trouble::service(STEP, e))?;
    boot.ports.timeline.fact(STEP, &format!("{name} started on slot {}", held.slot.id));
    Ok((held, before))
}

/// Kafka in ZooKeeper mode exits at once where its id is registered, a dead broker's too: its entry goes with its
/// session, within `zookeeper.session.timeout.ms` (18 s unless set). Gives back
/// the last registration that was seen.
async fn stale_registration_is_gone(boot: &Boot, held: &Held) -> Result<Option<Incarnation>, Trouble> {
    let id = held.slot.id;
    let began = boot.ports.host.since_boot();
    let mut last = None;
    retry(boot, STEP, async || {
        loop {
            let Some(stale) =
                boot.ports.registrations.of(id).await.map_err(|e| Trouble::register(STEP, &e))?
            else {
                return Ok(last);
            };
            last = Some(stale.incarnation);
            let host = stale.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
            let waited = (boot.ports.host.since_boot() - began) / 1000;
            let sentence = format!(
                "the registration of broker {id} at {host} to go with its session, {waited} s so far"
            );
            boot.ports.timeline.waiting(STEP, &sentence);
            if boot.is_overdue() {
                let sentence =
                    format!("waited {waited} s for {sentence}; a broker without a known holder may have it");
                return Err(Next::Stop(Trouble::new(STEP, Kind::NoSlot, sentence)));
            }
            boot.ports.registrations.changed(id, 5_000).await;
        }
    })
    .await
}

/// The last look before the service runs: the slot's exclusive part is attached to me. Never skipped.
async fn confirmed(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let me = &boot.me.instance;
    let mut looks = 0;
    retry(boot, STEP, async || {
        looks += 1;
        let mut slot = held.slot.clone();
        if let Some(volume) = &mut slot.volume {
            let of_me = boot.ports.cloud.volumes_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *volume = match of_me.into_iter().find(|v| v.id == volume.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&volume.id.to_string(), boot, looks)),
            };
        } else if let Some(eni) = &mut slot.eni {
            let of_me = boot.ports.cloud.enis_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *eni = match of_me.into_iter().find(|e| e.id == eni.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&eni.id.to_string(), boot, looks)),
            };
        }
        let leaving = slot
            .volume
            .iter()
            .flat_map(|v| &v.attachments)
            .find(|a| !matches!(a.state, AttachmentState::Attached | AttachmentState::Attaching));
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
fn not_attached(id: &str, boot: &Boot, looks: u32) -> Next {
    let sentence = format!("{id} is not attached to {} in {looks} reads before the start", boot.me.instance);
    if looks < 4 {
        Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence))
    } else {
        Next::Stop(Trouble::elsewhere(STEP, sentence))
    }
}

/// `started` goes into the claim before the unit is started; refused, nothing is started.
async fn marked(boot: &Boot, held: Held) -> Result<Held, Trouble> {
    notes::note_start(boot.ports.host.as_ref(), &boot.me.instance).map_err(|e| Trouble::host(STEP, e))?;
    let now = boot.ports.host.unix_time();
    let held = write_claim(boot, STEP, held, |claim| claim.started(&boot.me.boot, now)).await?;
    boot.progressed(|p| p.started = true);
    Ok(held)
}

/// Waits for our registration: another than the one before the start, and of the invocation that is up now.
async fn registered(
    boot: &Boot,
    held: &Held,
    before_start: Option<Incarnation>,
) -> Result<Registration, Trouble> {
    let id = held.slot.id;
    let name = &boot.config.unit;
    let began = boot.ports.host.since_boot();
    let (mut looks, mut down) = (0, 0);
    loop {
        let before = unit(boot).await?;
        let found = retry(boot, STEP, async || {
            boot.ports.registrations.of(id).await.map_err(|error| Trouble::register(STEP, &error).into())
        })
        .await?;
        let after = unit(boot).await?;
        if let Some(registration) = found
            && Some(registration.incarnation) != before_start
            && is_up(&after)
            && before.invocation == after.invocation
        {
            return Ok(registration);
        }
        // Between the request and the start, and in a restart by hand, a unit is inactive for a moment.
        down = if after.state == UnitState::Inactive { down + 1 } else { 0 };
        if after.state == UnitState::Failed || down > INACTIVE_LOOKS {
            let waited = (boot.ports.host.since_boot() - began) / 1000;
            let sentence = format!(
                "{name} is {} ({}) after {waited} s and broker {id} is not registered; its own log says why: journalctl -u {name}",
                if after.state == UnitState::Failed { "failed" } else { "down" },
                after.result
            );
            return Err(Trouble::new(STEP, Kind::UnitFailed, sentence));
        }
        stop_if_lost(boot, held).await?;
        let waited = (boot.ports.host.since_boot() - began) / 1000;
        boot.ports.timeline.waiting(STEP, &format!("broker {id} to register, {name} up for {waited} s"));
        boot.ports
            .registrations
            .changed(id, LOOK_EVERY.max(LOOKS.wait(looks, |b| boot.ports.host.random(b)) / 4))
            .await;
        looks += 1;
    }
}

async fn remembered(boot: &Boot, held: Held, seen: &Registration) -> Result<Held, Trouble> {
    if held.claim.registered.as_ref().is_some_and(|r| r.incarnation == seen.incarnation) {
        return Ok(held);
    }
    let host = seen.endpoints.first().map(|(host, _)| host.clone());
    write_claim(boot, STEP, held, |claim| claim.registered(seen.incarnation, host.clone())).await
}
