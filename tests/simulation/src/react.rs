//! How hosts follow what happens in the region.

use crate::host::Host;
use crate::laws;
use crate::world::State;
use region::model::Event;

/// From `attached` until the kernel shows it.
const HOTPLUG: u64 = 300;

/// Reacts to what is new in the journal.
pub(crate) fn react(s: &mut State) -> bool {
    let from = s.reacted;
    while let Some(entry) = s.region.journal().get(s.reacted) {
        let event = entry.event.clone();
        s.reacted += 1;
        laws::heard(s, &event);
        follow(s, event);
    }
    s.reacted != from
}

fn follow(s: &mut State, event: Event) {
    match event {
        Event::InstanceLaunched { instance, .. } => {
            s.hosts.insert(instance, Host::default());
        }
        Event::InstanceRunning { instance } => s.later(500, move |s| s.boot_host(&instance)),
        Event::InstanceRebooted { instance } => {
            s.power_off(&instance);
            s.later(4_000, move |s| s.boot_host(&instance));
        }
        Event::InstanceShuttingDown { instance, .. } | Event::InstanceStopping { instance, .. } => {
            s.later(2_000, move |s| s.power_off(&instance));
        }
        Event::InstanceTerminated { instance }
        | Event::InstanceFailed { instance }
        | Event::InstanceStopped { instance } => s.power_off(&instance),
        Event::VolumeAttached { volume, instance, .. } => {
            s.later(HOTPLUG, move |s| s.device_appears(&instance, &volume));
        }
        Event::VolumeDetached { volume, instance } => {
            if let Some(host) = s.hosts.get_mut(&instance) {
                host.devices.remove(&volume);
            }
        }
        Event::EniAttached { eni, instance, .. } => {
            s.later(HOTPLUG, move |s| s.link_appears(&instance, &eni));
        }
        Event::EniDetached { eni, instance, .. } => {
            let mac = s.region.eni(&eni).map(|eni| eni.mac.clone()).unwrap_or_default();
            if let Some(host) = s.hosts.get_mut(&instance) {
                host.links.remove(&mac);
            }
        }
        _ => {}
    }
}
