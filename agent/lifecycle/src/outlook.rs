//! What a boot would do now, and why: it changes nothing.

use crate::steps::{Absences, intend, observe};
use crate::{Run, Trouble};
use berth_plan::choose::{Choice, Decision, choose};
use berth_plan::claim::{Registration, SlotRecords};
use berth_plan::picture::Slot;
use berth_plan::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};

/// One look at everything.
pub struct Outlook {
    /// The slots of my zone.
    pub slots: Vec<Slot>,
    /// Their records.
    pub records: BTreeMap<BrokerId, SlotRecords>,
    /// The service's own register.
    pub registrations: BTreeMap<BrokerId, Registration>,
    /// What a boot would choose now.
    pub decision: Decision,
}

/// Looks, and decides as a boot would: without lock and intent.
pub async fn outlook(run: &Run, gone: &BTreeSet<InstanceId>) -> Result<Outlook, Trouble> {
    let trouble = |error| Trouble::claims(crate::Step::Intend, &error);
    let records = run.ports.claims.records().await.map_err(trouble)?;
    let registrations = run.ports.registrations.all().await.map_err(trouble)?;
    let mut seen = observe(run, &intend::holders_in_zone(run, &records)).await?;
    for instance in gone {
        let state = seen.picture.instances.entry(instance.clone()).or_default();
        state.state = "terminated".to_owned();
        seen.picture.asked.insert(instance.clone());
    }
    let absences = Absences::default();
    let judge = intend::judge(run, &seen.picture, &records, &absences);
    let decision = choose(&intend::sight(run, &seen, &records, &registrations, &judge));
    drop(judge);
    Ok(Outlook { slots: seen.slots, records, registrations, decision })
}

impl Outlook {
    /// The choice in one sentence.
    pub fn sentence(&self) -> String {
        match &self.decision.choice {
            Choice::Resume(id) => format!("go on with slot {id}, which is this instance's already"),
            Choice::Adopt(id) => format!("go on with slot {id}, whose volume is attached to this instance"),
            Choice::Take(id) => format!("take slot {id}, the lowest vacant one of this zone"),
            Choice::Succeed(id, going) => {
                let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
                format!("take slot {id} as soon as {} has let go of it", who.join(", "))
            }
            Choice::LookAgain(who) => format!("look up {} holders more, then choose", who.len()),
            Choice::Nothing => "wait: no slot of this zone is vacant".to_owned(),
        }
    }
}
