//! What the cluster shows of a broker whose log dir is empty.

use crate::ports::{RegisterError, Registrations};
use berth_plan::BrokerId;
use berth_plan::records::Claim;
use berth_plan::service::identity::empty_start::{Evidence, standing};
use berth_plan::service::readiness::{Look, naming};
use std::collections::BTreeSet;

/// Looks at every partition that names the broker, and then at who lives.
pub(crate) async fn evidence<'a>(
    registrations: &dyn Registrations,
    id: BrokerId,
    claim: &'a Claim,
    log_dir: &'a str,
) -> Result<Evidence<'a>, RegisterError> {
    let assignments = registrations.assignments().await?;
    let named = naming(id, &assignments.partitions);
    let mut looks = registrations.look(&named, None).await?;
    let live: BTreeSet<BrokerId> = registrations.all().await?.into_keys().collect();
    let stand = named.into_iter().filter_map(|partition| {
        let look = looks.remove(&partition).unwrap_or(Look::NoState);
        Some((partition, standing(id, &look, &live)?))
    });
    Ok(Evidence {
        id,
        log_dir,
        registered_before: claim.registered.is_some(),
        reset: claim.reset.as_ref(),
        partitions: stand.collect(),
        unreadable: assignments.unreadable,
    })
}
