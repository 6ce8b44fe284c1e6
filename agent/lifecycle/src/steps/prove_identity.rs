//! Step 7, second half: the log dir on the mounted volume belongs to this slot and to this cluster.

use crate::parts::held::Held;
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::BrokerId;
use berth_plan::outcome::Kind;
use berth_plan::service::identity::{Expected, Refused, agrees, is_empty};
use berth_plan::service::readiness::{only_in_sync, ours};

const STEP: Step = Step::Storage;

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
    let registered_before = held.claim.registered.is_some();
    // A broker that berth never saw may have been in the cluster before berth was: only ZooKeeper knows.
    let only_copy =
        if is_empty(&found) && !registered_before { only_copy(boot, held.slot.id).await? } else { None };
    let expected = Expected {
        id: held.slot.id,
        cluster: cluster.as_deref(),
        registered_before,
        only_copy: only_copy.as_deref(),
        log_dir,
    };
    agrees(&found, &expected).map_err(|refused| match refused {
        Refused::Fault(sentence) => Trouble::fault(STEP, "identity", sentence),
        Refused::Configuration(sentence) => Trouble::new(STEP, Kind::Configuration, sentence),
    })?;
    boot.ports
        .disks
        .prepare_log_dir(mount, log_dir, &boot.config.user)
        .await
        .map_err(|e| Trouble::disk(STEP, e))
}

/// A partition that only this broker has in sync.
async fn only_copy(boot: &Boot, id: BrokerId) -> Result<Option<String>, Trouble> {
    retry(boot, STEP, async || {
        let trouble = |error| Next::from(Trouble::register(STEP, &error));
        let partitions = ours(id, &boot.ports.registrations.assignments().await.map_err(trouble)?);
        if partitions.is_empty() {
            return Ok(None);
        }
        let looks = boot.ports.registrations.look(&partitions, None).await.map_err(trouble)?;
        Ok(only_in_sync(id, &looks).map(ToString::to_string))
    })
    .await
}
