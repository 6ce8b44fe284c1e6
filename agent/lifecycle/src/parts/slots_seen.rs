//! Step 2: a picture of slots and holders, taken before the lock.

use crate::retry::{Next, Patience, retry};
use crate::{Agent, Step, Trouble};
use berth_plan::InstanceId;
use berth_plan::ec2::{InstanceState, Picture};
use berth_plan::outcome::Kind;
use berth_plan::slot::{Slot, misnamed, slots};
use futures_util::future::try_join;
use std::collections::BTreeSet;
use std::time::Duration;

/// What one look brought.
pub(crate) struct SlotsSeen {
    pub(crate) picture: Picture,
    pub(crate) slots: Vec<Slot>,
}

/// How many spaced looks must agree that there is no slot: one empty answer may be an old one.
const EMPTY_LOOKS: u32 = 3;

/// How far apart they are.
const SPACED: Duration = Duration::from_secs(5);

/// Looks at EC2: interfaces and volumes of the cluster in my zone, me, and every instance that they or `named` name.
pub(crate) async fn observe(who: &impl Patience, named: &BTreeSet<InstanceId>) -> Result<SlotsSeen, Trouble> {
    let agent = who.agent();
    let config = &agent.config;
    let mut looks = 0;
    loop {
        looks += 1;
        let picture =
            retry(who, Step::Observe, async || look(agent, named).await.map_err(Next::from)).await?;
        let slots = slots(&picture, &config.cluster, &agent.me.zone, &config.name, config.parts);
        if !slots.is_empty() {
            return Ok(SlotsSeen { picture, slots });
        }
        if looks >= EMPTY_LOOKS {
            return Err(no_slots(agent, &picture).await);
        }
        let state = format!(
            "a slot of cluster {} in {}, look {looks} of {EMPTY_LOOKS}",
            config.cluster, agent.me.zone
        );
        agent.ports.timeline.waiting(Step::Observe, &state);
        agent.ports.host.sleep(SPACED).await;
    }
}

async fn look(agent: &Agent, named: &BTreeSet<InstanceId>) -> Result<Picture, Trouble> {
    let cloud = &agent.ports.cloud;
    let (cluster, zone) = (&agent.config.cluster, &agent.me.zone);
    let trouble = |error| Trouble::cloud(Step::Observe, &error);
    let (enis, volumes) =
        try_join(cloud.enis(cluster, zone), cloud.volumes(cluster, zone)).await.map_err(trouble)?;
    let attached = volumes.iter().flat_map(|v| v.attachments.iter().map(|a| &a.instance));
    let connected = enis.iter().filter_map(|e| e.attachment.as_ref()?.instance.as_ref());
    let asked: BTreeSet<InstanceId> =
        attached.chain(connected).chain(named).chain([&agent.me.instance]).cloned().collect();
    let instances = cloud.instances(&asked).await.map_err(trouble)?;
    // Only who runs may be on its way out by Auto Scaling's word.
    let running = |id: &&InstanceId| {
        **id != agent.me.instance
            && instances
                .get(*id)
                .is_some_and(|i| matches!(i.state, InstanceState::Running | InstanceState::Pending))
    };
    let living: BTreeSet<InstanceId> = asked.iter().filter(running).cloned().collect();
    let group_states = match living.is_empty() {
        true => Default::default(),
        false => cloud.group_states(&living).await.map_err(trouble)?,
    };
    Ok(Picture { enis, volumes, instances, asked, group_states })
}

/// How many names of resources a sentence has.
const SHOWN: usize = 6;

async fn no_slots(agent: &Agent, picture: &Picture) -> Trouble {
    let config = &agent.config;
    let (cluster, zone) = (&config.cluster, &agent.me.zone);
    let names = agent.name_wildcard();
    let misnamed = misnamed(picture, cluster, zone, &config.name, config.parts);
    if !misnamed.is_empty() {
        let sentence = format!(
            "no interface or volume of cluster {cluster} in {zone} has a Name as {}, seen {EMPTY_LOOKS} times: {}{}; the number in it has no zeros before it",
            config.name.name("{id}"),
            misnamed.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "),
            if misnamed.len() > SHOWN { ", …" } else { "" },
        );
        return Trouble::new(Step::Observe, Kind::Configuration, sentence);
    }
    let found = agent.ports.cloud.untagged(&names, zone).await.unwrap_or_default();
    let advice = if found.is_empty() {
        format!(
            "make interfaces and volumes with the tags berth:cluster={cluster} and Name={names} in this zone"
        )
    } else {
        let ids = found.join(" ");
        format!(
            "adopt what has the Name alone: aws ec2 create-tags --resources {ids} --tags Key=berth:cluster,Value={cluster}"
        )
    };
    let sentence = format!(
        "no interface or volume of {zone} has the tag berth:cluster={cluster}, seen {EMPTY_LOOKS} times; {advice}"
    );
    Trouble::new(Step::Observe, Kind::Configuration, sentence)
}
