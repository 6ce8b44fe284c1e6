//! Step 6: the kernel's side of the slot's interface.

use crate::parts::held::Held;
use crate::ports::Reached;
use crate::retry::{CALLS, Next, Patience, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::ec2::EniSeen;
use berth_plan::network::{Seen, Wanted, plan};
use berth_plan::outcome::Kind;
use berth_plan::{Millis, Subnet};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

const STEP: Step = Step::Network;

/// For how long the kernel is waited for before the state of the attachment is asked for again.
const APPEARS_WITHIN: Millis = 20_000;

/// For how long one peer may be silent.
const ANSWERS_WITHIN: Millis = 3_000;

/// Waits for the link, configures it, proves it.
pub(crate) async fn configure_network(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let Some(eni) = &held.slot.eni else { return Ok(()) };
    let wanted = Wanted { mac: eni.mac, addresses: eni.addresses.clone(), subnet: subnet(boot, eni).await? };
    appeared(boot, eni).await?;
    let seen = configured(boot, eni, &wanted).await?;
    proven(boot, &wanted, &seen).await
}

async fn subnet(boot: &Boot, eni: &EniSeen) -> Result<Subnet, Trouble> {
    if let Some((id, subnet)) = &boot.me.subnet
        && *id == eni.subnet
    {
        return Ok(*subnet);
    }
    retry(boot, STEP, async || {
        boot.ports.cloud.subnet(&eni.subnet).await.map_err(|error| Trouble::cloud(STEP, &error).into())
    })
    .await
}

async fn appeared(boot: &Boot, eni: &EniSeen) -> Result<(), Trouble> {
    let began = boot.ports.host.since_boot();
    if boot.ports.network.look(eni.mac).await.map_err(|e| Trouble::network(STEP, e))?.is_none() {
        boot.ports.timeline.waiting(STEP, &format!("the link of {}", eni.id));
    }
    loop {
        let within = boot.within(APPEARS_WITHIN);
        if boot.ports.network.appeared(eni.mac, within).await.map_err(|e| Trouble::network(STEP, e))? {
            return Ok(());
        }
        let waited = (boot.ports.host.since_boot() - began) / 1000;
        let state = match boot.ports.cloud.enis_of(&boot.me.instance).await {
            Ok(enis) => enis
                .iter()
                .find(|e| e.id == eni.id)
                .and_then(|e| e.attachment.as_ref())
                .map_or_else(|| "not attached".to_owned(), |a| a.state.to_string()),
            Err(error) => error.to_string(),
        };
        let sentence = format!(
            "{}: waiting for a link with the address {}, EC2 says \"{state}\" after {waited} s",
            eni.id, eni.mac
        );
        boot.ports.timeline.waiting(STEP, &sentence);
        if boot.is_overdue() {
            return Err(Trouble::new(STEP, Kind::Host, sentence));
        }
    }
}

/// Look, plan, apply, look again.
async fn configured(boot: &Boot, eni: &EniSeen, wanted: &Wanted) -> Result<Seen, Trouble> {
    let network = &boot.ports.network;
    let mut left = Vec::new();
    // Udev may rename the link between a look and an act; a later pass sees the new name.
    for tries in 0..5 {
        if tries > 1 {
            pause(boot, CALLS.wait(tries, |bound| boot.ports.host.random(bound))).await;
        }
        let Some(seen) = network.look(eni.mac).await.map_err(|e| Trouble::network(STEP, e))? else {
            continue;
        };
        left = plan(wanted, &seen);
        if left.is_empty() {
            return Ok(seen);
        }
        for act in &left {
            match network.apply(&seen, act).await {
                Ok(()) => boot.ports.timeline.fact(STEP, &format!("{}: {act:?}", seen.name)),
                Err(error) => {
                    tracing::debug!(%error, ?act, "looking again");
                    break;
                }
            }
        }
    }
    let sentence =
        format!("{}: the kernel does not keep {left:?}; is another network manager at work?", eni.id);
    Err(Trouble::new(STEP, Kind::Host, sentence))
}

/// A route lookup, and one answer to a connection from the interface's address. It proves routing and the peers'
/// security groups; not that others may connect to us.
async fn proven(boot: &Boot, wanted: &Wanted, seen: &Seen) -> Result<(), Trouble> {
    let Some(&from) = wanted.addresses.first() else {
        return Err(Trouble::new(STEP, Kind::Configuration, "the slot's interface has no IPv4 address"));
    };
    let gateway = wanted.subnet.gateway();
    let link = boot.ports.network.way_out(from, gateway).await.map_err(|e| Trouble::network(STEP, e))?;
    if link != seen.index {
        let sentence =
            format!("a packet from {from} would leave by link {link}, not by {} ({})", seen.index, seen.name);
        return Err(Trouble::new(STEP, Kind::Host, sentence));
    }
    let peers = peers(boot).await;
    retry(boot, STEP, async || {
        let mut silent = Vec::new();
        let mut tries: FuturesUnordered<_> =
            peers.iter().map(|peer| boot.ports.network.reach(from, peer, ANSWERS_WITHIN)).collect();
        while let Some(reached) = tries.next().await {
            match reached {
                Reached::Answered => return Ok(()),
                Reached::Silent(why) => silent.push(why),
            }
        }
        let sentence = format!(
            "nobody answers to {from}: {}; look at the security groups and routes of the interface",
            silent.join("; ")
        );
        Err(Next::from(Trouble::new(STEP, Kind::ControlPlane, sentence)))
    })
    .await
}

async fn peers(boot: &Boot) -> Vec<String> {
    let registered = boot.ports.registrations.all().await.unwrap_or_default();
    let brokers =
        registered.values().filter_map(|r| r.endpoints.first()).map(|(host, port)| format!("{host}:{port}"));
    boot.config.zookeeper_hosts.iter().cloned().chain(brokers.take(4)).collect()
}
