//! The end of the service, by its unit's own stop, and of what it holds.

use crate::parts::settled;
use crate::ports::UnitState;
use crate::retry::{LOOKS, pause};
use crate::{Boot, Step, Trouble};
use berth_plan::BrokerId;
use berth_plan::outcome::Kind;
use std::time::Duration;

const STEP: Step = Step::Stop;

/// For how long a registration may outlive its broker: one that was killed goes with its session,
/// `zookeeper.session.timeout.ms` (18 s unless set).
const SESSION_ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Closes the gate and stops the unit, with as much time as the unit allows itself. Done where it is down.
///
/// Fails as this host's trouble where it is not down then: whatever the service holds stays where it is.
pub(crate) async fn stop_service(boot: &Boot) -> Result<(), Trouble> {
    let (service, name) = (&boot.ports.service, &boot.config.unit);
    settled::close_gate(boot.ports.host.as_ref()).map_err(|e| Trouble::host(STEP, e))?;
    boot.ports.timeline.waiting(STEP, &format!("{name} to stop"));
    service.stop(name).await.map_err(|e| Trouble::service(STEP, e))?;
    let unit = service.unit(name).await.map_err(|e| Trouble::service(STEP, e))?;
    if !matches!(unit.state, UnitState::Inactive | UnitState::Failed | UnitState::Missing) {
        let sentence = format!(
            "{name} is still up after its stop ({:?}): nothing is unmounted or detached from under it; journalctl -u {name}",
            unit.state
        );
        return Err(Trouble::new(STEP, Kind::Host, sentence));
    }
    boot.ports.timeline.fact(STEP, &format!("{name} is down"));
    Ok(())
}

/// Waits until the broker of this slot is registered no more. A controlled shutdown takes its registration away; a broker
/// that was killed keeps it until its session ends. One that stays is told and not waited for any longer: whoever takes
/// the slot waits for it.
pub(crate) async fn wait_until_deregistered(boot: &Boot, id: BrokerId) {
    let began = boot.ports.host.since_boot();
    loop {
        let why = match boot.ports.registrations.of(id).await {
            Ok(None) => return,
            Ok(Some(stale)) => format!("the registration of broker {id} at {} to go", stale.at()),
            Err(error) => format!("the registration of broker {id} to go: {error}"),
        };
        boot.ports.timeline.waiting(STEP, &why);
        let waited = boot.ports.host.since_boot().since(began);
        if waited >= SESSION_ENDS_WITHIN || boot.is_late_to_leave() {
            let fact = format!("not waited for any longer after {} s: {why}", waited.as_secs());
            return boot.ports.timeline.fact(STEP, &fact);
        }
        boot.ports.registrations.changed(id, Duration::from_secs(2)).await;
    }
}

/// Waits until nobody keeps the slot's mount busy: who does is named by pid, name and path, and never killed.
pub(crate) async fn wait_for_mount_users(boot: &Boot) -> Result<(), Trouble> {
    let at = &boot.config.mount;
    for looks in 0.. {
        let users = boot.ports.disks.users(at).await.map_err(|e| Trouble::disk(STEP, e))?;
        let Some(first) = users.first() else { break };
        let others = match users.len() - 1 {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        boot.ports.timeline.waiting(STEP, &format!("{at} to be left: {first}{others}"));
        if boot.is_late_to_leave() {
            let sentence = format!(
                "{at} is in use: {first}{others}; it stays mounted and attached; end it, then run `berth release` again"
            );
            return Err(Trouble::new(STEP, Kind::Host, sentence));
        }
        pause(boot, LOOKS.wait(looks, |bound| boot.ports.host.random(bound))).await;
    }
    Ok(())
}
