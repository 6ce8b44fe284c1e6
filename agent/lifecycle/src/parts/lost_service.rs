//! The zombie rule: a service whose slot was lost is stopped at once.

use super::held::Held;
use super::settled;
use crate::{Boot, Step, Trouble};
use berth_plan::records::Claim;

/// The zombie rule: where the claim names another, or the volume is gone from under the mount, the service is stopped at
/// once.
pub(crate) async fn stop_if_lost(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let Some(sentence) = find_loss(boot, held).await? else { return Ok(()) };
    stop_lost_service(boot, &sentence).await?;
    Err(Trouble::elsewhere(Step::Start, sentence))
}

/// Stops the service that has lost its slot, and takes the mount of a device that is gone out of the way.
pub(crate) async fn stop_lost_service(boot: &Boot, why: &str) -> Result<(), Trouble> {
    boot.ports.timeline.fact(Step::Start, &format!("{why}: {} is stopped", boot.config.unit));
    settled::close_gate(boot.ports.host.as_ref()).map_err(|e| Trouble::host(Step::Start, e))?;
    boot.ports.service.stop(&boot.config.unit).await.map_err(|e| Trouble::service(Step::Start, e))?;
    boot.ports.disks.unmount(&boot.config.mount).await.map_err(|e| Trouble::disk(Step::Start, e))
}

/// How the slot was lost; none where it is held, and where ZooKeeper is away and nothing can be known of the claim.
async fn find_loss(boot: &Boot, held: &Held) -> Result<Option<String>, Trouble> {
    if let Some(volume) = &held.slot.volume {
        let mounted =
            boot.ports.disks.mounted(&boot.config.mount).await.map_err(|e| Trouble::disk(Step::Start, e))?;
        if mounted.and_then(|mounted| mounted.serial).as_deref() != Some(volume.id.serial().as_str()) {
            return Ok(Some(format!("{} is gone from under {}", volume.id, boot.config.mount)));
        }
    }
    let Ok(records) = boot.ports.claims.record(held.slot.id).await else { return Ok(None) };
    let claim = records.claim.as_ref().map(|c| &c.value);
    let other = claim.and_then(Claim::names).filter(|other| **other != boot.me.instance);
    Ok(other.map(|other| format!("slot {} is claimed by {other} now", held.slot.id)))
}
