//! Step 6: the kernel's side of the slot's interface.

use crate::parts::held::Held;
use crate::parts::wait_for_attached::wait_for_attached;
use crate::ports::Reached;
use crate::retry::{CALLS, Next, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::Subnet;
use berth_plan::ec2::EniSeen;
use berth_plan::network::{Seen, Wanted, command, plan};
use berth_plan::outcome::Kind;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

const STEP: Step = Step::Network;

/// For how long one peer may be silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// For how long the other peers are heard once one has answered. Inside a region an answer takes a few milliseconds.
const OTHERS_WITHIN: Duration = Duration::from_millis(200);

/// Waits for the link, configures it, proves it.
pub(crate) async fn configure_network(boot: &Boot, held: &Held) -> Result<Option<Wanted>, Trouble> {
    let Some(eni) = &held.slot.eni else { return Ok(None) };
    let wanted = wanted(boot, eni).await?;
    wait_for_link(boot, eni).await?;
    let seen = configure_link(boot, eni, &wanted).await?;
    prove_route(boot, &wanted, &seen).await?;
    prove_peers(boot, wanted.addresses[0]).await?;
    Ok(Some(wanted))
}

/// The link once more, after the service has come up: another manager of the host's network may have come upon it later
/// than berth, and a link whose address was taken away and given back has lost its routes. Where nothing is missing
/// nothing is changed.
pub(crate) async fn repair_network(boot: &Boot, held: &Held, wanted: Option<&Wanted>) -> Result<(), Trouble> {
    let (Some(eni), Some(wanted)) = (&held.slot.eni, wanted) else { return Ok(()) };
    let seen = configure_link(boot, eni, wanted).await?;
    prove_route(boot, wanted, &seen).await
}

async fn wanted(boot: &Boot, eni: &EniSeen) -> Result<Wanted, Trouble> {
    if eni.addresses.is_empty() {
        return Err(Trouble::new(STEP, Kind::Configuration, "the slot's interface has no IPv4 address"));
    }
    Ok(Wanted { mac: eni.mac, addresses: eni.addresses.clone(), subnet: subnet(boot, eni).await? })
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

async fn wait_for_link(boot: &Boot, eni: &EniSeen) -> Result<(), Trouble> {
    let waiting = || boot.ports.timeline.waiting(STEP, &format!("the link of {}", eni.id));
    let shown = async |within| {
        let appeared = boot.ports.network.wait_for_link(eni.mac, within, &waiting).await;
        Ok(appeared.map_err(|e| Trouble::network(STEP, e))?.then_some(()))
    };
    let state = async || {
        let enis = boot.ports.cloud.enis_of(&boot.me.instance).await?;
        let attachment = enis.into_iter().find(|e| e.id == eni.id).and_then(|e| e.attachment);
        Ok(attachment.map(|a| a.state.to_string()))
    };
    let what = format!("{}: waiting for a link with the address {}", eni.id, eni.mac);
    wait_for_attached(boot, STEP, &what, shown, state).await
}

/// Look, plan, apply, look again.
async fn configure_link(boot: &Boot, eni: &EniSeen, wanted: &Wanted) -> Result<Seen, Trouble> {
    let network = &boot.ports.network;
    let mut left = Vec::new();
    // Udev may rename the link between a look and an act; a later pass sees the new name.
    for tries in 0..5 {
        if tries > 1 {
            pause(boot, CALLS.wait(tries, |bound| boot.ports.host.random(bound))).await;
        }
        let Some(seen) = network.link(eni.mac).await.map_err(|e| Trouble::network(STEP, e))? else {
            continue;
        };
        let acts = plan(wanted, &seen);
        if acts.is_empty() {
            return Ok(seen);
        }
        left = acts.iter().map(|act| command(&seen, act)).collect();
        for act in &acts {
            match network.apply(&seen, act).await {
                Ok(()) => boot.ports.timeline.fact(STEP, &command(&seen, act)),
                Err(error) => {
                    tracing::debug!(%error, "looking again");
                    break;
                }
            }
        }
    }
    let sentence = format!(
        "{}: the kernel does not keep {}; is another network manager at work?",
        eni.id,
        left.join("; ")
    );
    Err(Trouble::new(STEP, Kind::Host, sentence))
}

/// A packet from the slot's address leaves by the slot's link.
async fn prove_route(boot: &Boot, wanted: &Wanted, seen: &Seen) -> Result<(), Trouble> {
    let (from, gateway) = (wanted.addresses[0], wanted.subnet.gateway());
    let link = boot.ports.network.route_lookup(from, gateway).await.map_err(|e| Trouble::network(STEP, e))?;
    if link != seen.index {
        let sentence =
            format!("a packet from {from} would leave by link {link}, not by {} ({})", seen.index, seen.name);
        return Err(Trouble::new(STEP, Kind::Host, sentence));
    }
    Ok(())
}

/// One answer to a connection from the interface's address. It proves routing and the peers' security groups; not that
/// others may connect to us. Who is silent beside one that answers is named.
async fn prove_peers(boot: &Boot, from: Ipv4Addr) -> Result<(), Trouble> {
    let peers = peers(boot).await;
    retry(boot, STEP, async || {
        let mut silent = Vec::new();
        let mut open: BTreeSet<&str> = peers.iter().map(String::as_str).collect();
        let reach =
            |peer| boot.ports.network.reach(from, peer, ANSWERS_WITHIN).map(move |reached| (peer, reached));
        let mut tries: FuturesUnordered<_> = peers.iter().map(String::as_str).map(reach).collect();
        let mut has_answer = false;
        while let Some((peer, reached)) = tries.next().await {
            open.remove(&peer);
            match reached {
                Reached::Answered => {
                    has_answer = true;
                    break;
                }
                Reached::Silent(why) => silent.push(why),
            }
        }
        if !has_answer {
            let sentence = format!(
                "nobody answers to {from}: {}; look at the security groups and routes of the interface",
                silent.join("; ")
            );
            return Err(Next::from(Trouble::new(STEP, Kind::ControlPlane, sentence)));
        }
        let mut enough = pin!(boot.ports.host.sleep(OTHERS_WITHIN));
        while let Either::Left((Some((peer, reached)), _)) = select(tries.next(), enough.as_mut()).await {
            open.remove(&peer);
            if let Reached::Silent(why) = reached {
                silent.push(why);
            }
        }
        silent.extend(open.into_iter().map(str::to_owned));
        if !silent.is_empty() {
            boot.ports
                .timeline
                .fact(STEP, &format!("others answer to {from}, not yet: {}", silent.join("; ")));
        }
        Ok(())
    })
    .await
}

async fn peers(boot: &Boot) -> Vec<String> {
    let registered = boot.ports.registrations.all().await.unwrap_or_default();
    let brokers =
        registered.values().filter_map(|r| r.endpoints.first()).map(|(host, port)| format!("{host}:{port}"));
    boot.config.zookeeper_hosts.iter().cloned().chain(brokers.take(4)).collect()
}
