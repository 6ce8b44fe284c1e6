//! The slot whose claim names me.

use berth_plan::records::{Claim, SlotRecords, State};
use berth_plan::{BrokerId, InstanceId};
use std::collections::BTreeMap;

/// Of several, a held one before one that is being left, a started one before another, then the lowest.
pub(crate) fn mine<'a>(
    me: &InstanceId,
    records: &'a BTreeMap<BrokerId, SlotRecords>,
) -> Option<(BrokerId, &'a Claim)> {
    let named = records.iter().filter_map(|(id, r)| Some((*id, &r.claim.as_ref()?.value)));
    let named = named.filter(|(_, claim)| claim.names() == Some(me));
    named.max_by_key(|(id, claim)| {
        (claim.state == State::Held, claim.started.is_some(), std::cmp::Reverse(*id))
    })
}
