//! Following the region's journal: each entry becomes an act for the instance that it is about. Acts of one instance are
//! done in order, those of different instances side by side.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use region::model::{Entry, Event};
use region::wire::Served;
use tokio::sync::{mpsc, watch};

use super::{Inner, InstanceInfo, Shared};
use crate::error::{Context, Error, Result};
use crate::fabric::Interface;
use crate::instance::{Instance, Launched, log_file};
use crate::volume::Volume;

/// How long an orderly end may take before the plug is pulled; EC2 does the same after a while.
const ORDERLY: Duration = Duration::from_secs(25);

/// Something that happens to an instance.
#[derive(Debug)]
pub(super) enum Act {
    Boot,
    PlugInterface(u32, Interface),
    UnplugInterface(String),
    PlugVolume(Volume),
    UnplugVolume(String),
    CutPower,
    ShutDown,
    Reboot,
}

/// Reads the journal for as long as the lab lasts.
pub(super) async fn follow(served: Served, inner: Arc<Inner>, followed: watch::Sender<usize>) {
    let mut file = match log_file(&inner.ledger.logs().join("journal.jsonl")) {
        Ok(file) => file,
        Err(error) => return inner.trouble(error.chain()),
    };
    for seq in 0.. {
        let entry = served.wait_for(seq, |entry| Some(entry.clone())).await;
        if let Err(error) = write_line(&mut file, &entry).and_then(|()| react(&inner, &entry)) {
            inner.trouble(error.chain());
        }
        let _ = followed.send(seq + 1);
    }
}

fn react(inner: &Arc<Inner>, entry: &Entry) -> Result<()> {
    tell(inner, entry);
    match &entry.event {
        Event::InstanceLaunched { instance, zone, eni, mac, address, user_data, root_volume, .. } => {
            if let Some(root) = root_volume {
                inner.shared().roots.insert(root.clone());
            }
            let address: Ipv4Addr =
                address.parse().context(|| format!("understand the address {address} of {instance}"))?;
            let launched = Launched {
                id: instance.clone(),
                zone: zone.clone(),
                primary: Interface { eni: eni.clone(), mac: mac.clone(), addresses: vec![address] },
                user_data: (!user_data.is_empty()).then(|| user_data.clone()),
                environment: inner.environment.clone(),
            };
            launch(inner, launched);
        }
        Event::VolumeCreated { volume, size_gib, .. } => {
            inner.shared().sizes.insert(volume.clone(), *size_gib);
        }
        Event::InstanceRunning { instance } => send(inner, instance, Act::Boot),
        Event::InstanceFailed { instance } => send(inner, instance, Act::CutPower),
        Event::InstanceShuttingDown { instance, .. } | Event::InstanceStopping { instance, .. } => {
            send(inner, instance, Act::ShutDown);
        }
        Event::InstanceRebooted { instance } => send(inner, instance, Act::Reboot),
        Event::InstanceTerminated { instance } | Event::InstanceStopped { instance } => {
            send(inner, instance, Act::CutPower)
        }
        Event::VolumeAttached { volume, instance, .. } => {
            if inner.shared().roots.contains(volume) {
                return Ok(());
            }
            let made = volume_of(inner, volume)?;
            inner.shared().held.insert(volume.clone(), instance.clone());
            let late = inner.shared().late.remove(volume);
            match late {
                None => send(inner, instance, Act::PlugVolume(made)),
                Some(by) => send_later(inner, instance, Act::PlugVolume(made), by),
            }
        }
        Event::VolumeDetached { volume, instance } => {
            inner.shared().held.remove(volume);
            send(inner, instance, Act::UnplugVolume(volume.clone()));
        }
        Event::EniAttached { eni, instance, device_index, mac, addresses, .. } if *device_index > 0 => {
            let addresses =
                addresses.iter().map(|a| a.parse::<Ipv4Addr>()).collect::<std::result::Result<Vec<_>, _>>();
            let addresses = addresses.context(|| format!("understand the addresses of {eni}"))?;
            let interface = Interface { eni: eni.clone(), mac: mac.clone(), addresses };
            inner.shared().held.insert(eni.clone(), instance.clone());
            send(inner, instance, Act::PlugInterface(*device_index, interface));
        }
        Event::EniDetached { eni, instance, .. } => {
            inner.shared().held.remove(eni);
            send(inner, instance, Act::UnplugInterface(eni.clone()));
        }
        _ => {}
    }
    note_state(inner, entry)
}

/// The image of a volume; one that the scenario did not make (an API call did) is made when it is attached.
pub(super) fn volume_of(inner: &Inner, id: &str) -> Result<Volume> {
    let mut shared = inner.shared();
    if let Some(volume) = shared.volumes.get(id) {
        return Ok(volume.clone());
    }
    let size = shared.sizes.get(id).copied().unwrap_or(1);
    let volume = Volume::make(&inner.ledger, id, size)?;
    shared.volumes.insert(id.to_owned(), volume.clone());
    Ok(volume)
}

fn launch(inner: &Arc<Inner>, launched: Launched) {
    let (send, acts) = mpsc::unbounded_channel();
    let mut shared = inner.shared();
    let letter = launched.zone.chars().last().unwrap_or('a');
    let nth = shared.instances.values().filter(|known| known.zone == launched.zone).count() + 1;
    let known = InstanceInfo {
        label: format!("{letter}{nth}"),
        id: launched.id.clone(),
        zone: launched.zone.clone(),
        address: launched.primary.addresses.first().map(ToString::to_string).unwrap_or_default(),
        state: "pending".into(),
        pid1: None,
    };
    let said = format!("launched in {} with address {} ({})", known.zone, known.address, known.id);
    inner.story.tell(&known.label, said);
    shared.order.push(launched.id.clone());
    shared.instances.insert(launched.id.clone(), known);
    shared.queues.insert(launched.id.clone(), send);
    drop(shared);
    let instance =
        Instance::new(launched, Arc::clone(&inner.ledger), Arc::clone(&inner.fabric), inner.image.clone());
    let life = tokio::spawn(live(Arc::clone(inner), instance, acts));
    inner.shared().lives.push(life.abort_handle());
}

fn send(inner: &Inner, instance: &str, act: Act) {
    if let Some(queue) = inner.shared().queues.get(instance) {
        // The receiver lives as long as the lab.
        let _ = queue.send(act);
    }
}

fn send_later(inner: &Arc<Inner>, instance: &str, act: Act, by: Duration) {
    let (later, instance) = (Arc::clone(inner), instance.to_owned());
    let sent = tokio::spawn(async move {
        // The lateness is what is asked for.
        tokio::time::sleep(by).await;
        send(&later, &instance, act);
    });
    inner.shared().lives.push(sent.abort_handle());
}

async fn live(inner: Arc<Inner>, mut instance: Instance, mut acts: mpsc::UnboundedReceiver<Act>) {
    let id = instance.launched().id.clone();
    while let Some(act) = acts.recv().await {
        let what = format!("{act:?}");
        let done = match act {
            Act::Boot => instance.boot().await,
            Act::PlugInterface(index, interface) => instance.plug_interface(index, interface).map(drop),
            Act::UnplugInterface(eni) => {
                instance.unplug_interface(&eni);
                Ok(())
            }
            Act::PlugVolume(volume) => instance.plug_volume(volume).map(drop),
            Act::UnplugVolume(volume) => instance.unplug_volume(&volume),
            Act::CutPower => instance.cut_power().await,
            Act::ShutDown => instance.shut_down(Signal::SIGTERM, ORDERLY).await,
            Act::Reboot => match instance.shut_down(Signal::SIGINT, ORDERLY).await {
                Ok(()) => instance.boot().await,
                failed => failed,
            },
        };
        if let Some(known) = inner.shared().instances.get_mut(&id) {
            known.pid1 = instance.pid1();
        }
        let listed = write_list(&inner);
        if let Err(error) = done.and(listed) {
            inner.trouble(format!("{id}: {what}: {}", error.chain()));
        }
    }
}

/// The list that `lab shell` reads.
fn write_list(inner: &Inner) -> Result<()> {
    // Held over the write: several instances change at the same moment.
    let shared = inner.shared();
    let list: Vec<&InstanceInfo> = shared.order.iter().filter_map(|id| shared.instances.get(id)).collect();
    let path = inner.ledger.dir().join("instances.json");
    let text = serde_json::to_string_pretty(&list).context(|| "list the instances".into())?;
    let new = path.with_extension("new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, &path))
        .context(|| format!("write {}", path.display()))
}

fn note_state(inner: &Inner, entry: &Entry) -> Result<()> {
    let (instance, state) = match &entry.event {
        Event::InstanceRunning { instance } => (instance, "running"),
        Event::InstanceFailed { instance } => (instance, "running, dead"),
        Event::InstanceShuttingDown { instance, .. } => (instance, "shutting-down"),
        Event::InstanceTerminated { instance } => (instance, "terminated"),
        Event::InstanceStopping { instance, .. } => (instance, "stopping"),
        Event::InstanceStopped { instance } => (instance, "stopped"),
        Event::InstanceStarting { instance, .. } => (instance, "pending"),
        _ => return Ok(()),
    };
    let mut shared = inner.shared();
    let known = shared
        .instances
        .get_mut(instance)
        .ok_or_else(|| Error::new(format!("{instance} was never launched")))?;
    known.state = state.to_owned();
    Ok(())
}

/// The lines of the story that come from the journal.
fn tell(inner: &Inner, entry: &Entry) {
    let shared = inner.shared();
    let name = |id: &String| shared.instances.get(id).map_or_else(|| id.clone(), |known| known.label.clone());
    let slot = |resource: &String| slot_of(&shared, resource);
    let (who, what) = match &entry.event {
        Event::InstanceRunning { instance } => (name(instance), "running".to_owned()),
        Event::InstanceFailed { instance } => {
            (name(instance), "its hardware died without warning".to_owned())
        }
        Event::InstanceShuttingDown { instance, reason, .. } => {
            (name(instance), format!("shutting down ({reason})"))
        }
        Event::InstanceTerminated { instance } => (name(instance), "terminated".to_owned()),
        Event::InstanceRebooted { instance } => (name(instance), "rebooted".to_owned()),
        Event::InstanceStopped { instance } => (name(instance), "stopped".to_owned()),
        Event::VolumeAttaching { volume, instance, device, .. } => match slot(volume) {
            Some(id) => (
                name(instance),
                format!("won slot {id}: AttachVolume of its volume was accepted ({volume} as {device})"),
            ),
            None => return,
        },
        Event::VolumeAttached { volume, instance, .. } => match slot(volume) {
            Some(id) => (name(instance), format!("the volume of slot {id} is attached")),
            None => return,
        },
        Event::VolumeDetached { volume, instance } => match slot(volume) {
            Some(id) => (name(instance), format!("the volume of slot {id} is detached")),
            None => return,
        },
        Event::EniAttached { eni, instance, addresses, .. } => match slot(eni) {
            Some(id) => (
                name(instance),
                format!("the network interface of slot {id} is attached, address {}", addresses.join(", ")),
            ),
            None => return,
        },
        Event::EniDetached { eni, instance, .. } => match slot(eni) {
            Some(id) => (name(instance), format!("the network interface of slot {id} is detached")),
            None => return,
        },
        Event::HealthSet { instance, health } => (name(instance), format!("reported {health} to its group")),
        Event::Signal { instance, status, .. } => (name(instance), format!("told CloudFormation: {status}")),
        Event::StackStatus { stack, status } => ("stack".to_owned(), format!("{stack}: {status}")),
        Event::GroupActivity { cause, .. } => ("group".to_owned(), cause.clone()),
        Event::Call { api, action, caller: Some(caller), outcome, .. }
            if outcome != "ok" && api != "imds" =>
        {
            (name(caller), format!("{action} was answered with {outcome}"))
        }
        _ => return,
    };
    drop(shared);
    inner.story.tell(&who, what);
}

fn slot_of(shared: &Shared, resource: &str) -> Option<u32> {
    shared.slots.iter().find(|slot| slot.volume == resource || slot.eni == resource).map(|slot| slot.id)
}

/// Appends to the kept journal.
fn write_line(file: &mut std::fs::File, entry: &Entry) -> Result<()> {
    let mut line = serde_json::to_string(entry).context(|| "write a journal line".into())?;
    line.push('\n');
    file.write_all(line.as_bytes()).context(|| "write the journal".into())
}
