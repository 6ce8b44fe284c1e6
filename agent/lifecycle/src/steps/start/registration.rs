//! Kafka's entry in its own register: gone before the start, and ours after it.

use super::{Begun, STEP, look_at_unit};
use crate::parts::held::{Held, write_claim};
use crate::parts::lost_service::stop_if_lost;
use crate::ports::{Unit, UnitState};
use crate::retry::{LOOKS, Next, Patience, retry};
use crate::{Boot, Trouble};
use berth_plan::BrokerId;
use berth_plan::outcome::Kind;
use berth_plan::service::{Endpoint, Incarnation, Registration, Whose, whose};
use std::time::Duration;

/// For how long a change of the registration is waited for before the unit is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many looks in a row may find the unit down after its start was asked for.
const DOWN_LOOKS: u32 = 10;

/// Waits until nobody is registered under the slot's id; the last entry that was seen there.
///
/// Kafka in ZooKeeper mode exits at once where its id is registered, a dead broker's too: its entry goes with its
/// session, within `zookeeper.session.timeout.ms` (18 s unless set). One with other endpoints than this slot's is a
/// stranger's, and it may stay.
pub(super) async fn wait_until_unregistered(
    boot: &Boot,
    held: &Held,
    endpoints: &[Endpoint],
) -> Result<Option<Incarnation>, Trouble> {
    let id = held.slot.id;
    let began = boot.ports.host.since_boot();
    let mut before = None;
    retry(boot, STEP, async || {
        loop {
            let Some(stale) =
                boot.ports.registrations.of(id).await.map_err(|e| Trouble::register(STEP, &e))?
            else {
                return Ok(before);
            };
            before = Some(stale.incarnation);
            let waited = boot.ports.host.since_boot().since(began).as_secs();
            let at = stale.at();
            let mut sentence =
                format!("the registration of broker {id} at {at} to go with its session, {waited} s so far");
            if !stale.has(endpoints) {
                sentence.push_str("; it is no broker of this slot's address: stop it there");
            }
            boot.ports.timeline.waiting(STEP, &sentence);
            if boot.is_overdue() {
                let sentence =
                    format!("waited {waited} s for {sentence}; a broker without a known holder may have it");
                return Err(Next::Stop(Trouble::new(STEP, Kind::NoSlot, sentence)));
            }
            boot.ports.registrations.changed(id, Duration::from_secs(5)).await;
        }
    })
    .await
}

/// Waits for our registration: another one than before the start, with the endpoints that were written, of a unit that is
/// active and of one invocation before and after the look. A unit that is activating may wait for its restart: it died,
/// and the entry may be the stranger's that it died of.
pub(super) async fn wait_for_registration(
    boot: &Boot,
    held: &Held,
    begun: &Begun,
) -> Result<Registration, Trouble> {
    let id = held.slot.id;
    let name = &boot.config.unit;
    let began = boot.ports.host.since_boot();
    let (mut looks, mut down) = (0, 0);
    loop {
        let before = look_at_unit(boot).await?;
        let found = retry(boot, STEP, async || {
            boot.ports.registrations.of(id).await.map_err(|error| Trouble::register(STEP, &error).into())
        })
        .await?;
        let after = look_at_unit(boot).await?;
        let owner = found.as_ref().map(|found| whose(found, begun.before, &begun.endpoints));
        let stranger = match (&found, owner) {
            (Some(found), Some(Whose::Stranger)) => stranger_at(id, found),
            _ => String::new(),
        };
        if let (Some(registration), Some(Whose::Ours)) = (found, owner)
            && before.state == UnitState::Active
            && after.state == UnitState::Active
            && before.invocation == after.invocation
        {
            return Ok(registration);
        }
        // What is seen before the new invocation is how the unit ended the last time.
        let is_begun = begun.over.as_ref() != Some(&after.invocation);
        let is_down = matches!(after.state, UnitState::Inactive | UnitState::Failed | UnitState::Missing);
        down = if is_down { down + 1 } else { 0 };
        let waited = boot.ports.host.since_boot().since(began).as_secs();
        if down > DOWN_LOOKS || (after.state == UnitState::Failed && is_begun) {
            let sentence = format!(
                "{name} is {} ({}) after {waited} s and broker {id} is not registered{stranger}; its own log says why: journalctl -u {name}",
                state(&after),
                after.result
            );
            return Err(Trouble::new(STEP, Kind::UnitFailed, sentence));
        }
        stop_if_lost(boot, held).await?;
        let sentence = format!("broker {id} to register, {name} {} for {waited} s{stranger}", state(&after));
        boot.ports.timeline.waiting(STEP, &sentence);
        boot.ports
            .registrations
            .changed(id, LOOK_EVERY.max(LOOKS.wait(looks, |b| boot.ports.host.random(b)) / 4))
            .await;
        looks += 1;
    }
}

fn stranger_at(id: BrokerId, found: &Registration) -> String {
    format!("; a broker that berth did not start is registered as {id} at {}: stop it there", found.at())
}

fn state(unit: &Unit) -> &'static str {
    match unit.state {
        UnitState::Inactive => "down",
        UnitState::Activating => "activating",
        UnitState::Active => "active",
        UnitState::Deactivating => "deactivating",
        UnitState::Failed => "failed",
        UnitState::Missing => "missing",
    }
}

/// The claim remembers the registration: from then on this slot's log dir has been a broker's.
pub(super) async fn record_registration(
    boot: &Boot,
    held: Held,
    seen: &Registration,
) -> Result<Held, Trouble> {
    if held.claim.registered.as_ref().is_some_and(|r| r.incarnation == seen.incarnation) {
        return Ok(held);
    }
    let host = seen.endpoints.first().map(|(host, _)| host.clone());
    write_claim(boot, STEP, held, |claim| claim.registered(seen.incarnation, host.clone())).await
}
