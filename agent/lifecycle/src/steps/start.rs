//! Step 9: the unit, from the last look to its registration.

mod attachment;
mod registration;

use crate::parts::held::{Held, write_claim};
use crate::parts::notes;
use crate::parts::service_identity::service_identity;
use crate::parts::settled::{self, Settled};
use crate::ports::{Unit, UnitState};
use crate::{Boot, Step, Trouble};
use attachment::confirm_attachment;
use berth_plan::outcome::Kind;
use berth_plan::records::Claim;
use berth_plan::service::{Endpoint, Incarnation, Registration};
use registration::{record_registration, wait_for_registration, wait_until_unregistered};

const STEP: Step = Step::Start;

/// What was before the start, and what was written for it: our registration is known by both.
struct Begun {
    /// The registration that stood under this id.
    before: Option<Incarnation>,
    /// The endpoints of server.properties; none where an older berth started the unit.
    endpoints: Vec<Endpoint>,
    /// The invocation that was over when the start was asked for; none where the unit was up already.
    over: Option<String>,
}

/// Starts the unit and waits until it is registered; a unit that is ours and up is adopted.
pub(crate) async fn start_service(boot: &Boot, held: Held) -> Result<(Held, Registration), Trouble> {
    let settled = settled::read(boot.ports.host.as_ref())
        .map_err(|e| Trouble::host(STEP, e))?
        .filter(|s| s.slot == held.slot.id && s.boot == boot.me.boot);
    let unit = look_at_unit(boot).await?;
    let (held, begun) = match settled {
        Some(settled) if held.claim.started.is_some() && is_up(&unit) => {
            confirm_attachment(boot, &held).await?;
            boot.progressed(|p| p.started = true);
            (held, Begun { before: settled.before, endpoints: settled.endpoints, over: None })
        }
        _ => start_unit(boot, held, &unit).await?,
    };
    let registration = wait_for_registration(boot, &held, &begun).await?;
    let held = record_registration(boot, held, &registration).await?;
    Ok((held, registration))
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.state, UnitState::Active | UnitState::Activating)
}

async fn look_at_unit(boot: &Boot) -> Result<Unit, Trouble> {
    boot.ports.service.unit(&boot.config.unit).await.map_err(|e| Trouble::service(STEP, e))
}

/// Everything that comes before the start, in the order that a crash between any two lines needs.
async fn start_unit(boot: &Boot, held: Held, unit: &Unit) -> Result<(Held, Begun), Trouble> {
    let (service, name) = (&boot.ports.service, &boot.config.unit);
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
            service.stop(name).await.map_err(|e| Trouble::service(STEP, e))?;
        }
        UnitState::Inactive | UnitState::Failed => {}
    }
    let endpoints = service_identity(boot, &held)?.endpoints();
    let before = wait_until_unregistered(boot, &held, &endpoints).await?;
    confirm_attachment(boot, &held).await?;
    let held = mark_started(boot, held).await?;
    let serial = held.slot.volume.as_ref().map(|volume| volume.id.serial());
    let settled = Settled {
        slot: held.slot.id,
        boot: boot.me.boot.clone(),
        serial,
        before,
        endpoints: endpoints.clone(),
    };
    settled::open_gate(boot.ports.host.as_ref(), &settled).map_err(|e| Trouble::host(STEP, e))?;
    // Starts that failed at the gate, before this boot held the slot, count against the unit's limit otherwise.
    service.forget_failures(name).await.map_err(|e| Trouble::service(STEP, e))?;
    let over = look_at_unit(boot).await?.invocation;
    service.start(name).await.map_err(|e| Trouble::service(STEP, e))?;
    boot.ports.timeline.fact(STEP, &format!("{name} started on slot {}", held.slot.id));
    Ok((held, Begun { before, endpoints, over: Some(over) }))
}

/// `started` goes into the claim before the unit is started; refused, nothing is started. Where the slot was started in
/// an earlier boot the mark keeps that boot, and the write still proves that the claim is mine.
async fn mark_started(boot: &Boot, held: Held) -> Result<Held, Trouble> {
    notes::note_start(boot.ports.host.as_ref(), &boot.me.instance).map_err(|e| Trouble::host(STEP, e))?;
    if held.claim.started.is_none() {
        notes::forget_told(boot.ports.host.as_ref()).map_err(|e| Trouble::host(STEP, e))?;
    }
    let now = boot.ports.host.unix_time();
    let mark = |claim: &Claim| match claim.started {
        Some(_) => claim.clone(),
        None => claim.started(&boot.me.boot, now),
    };
    let held = write_claim(boot, STEP, held, mark).await?;
    boot.progressed(|p| p.started = true);
    Ok(held)
}
