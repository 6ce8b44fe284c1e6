//! States of slots, made by hand: records in ZooKeeper, attachments and resources in the region.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use berth_plan::UnixTime;
use berth_plan::records::{Claim, FaultCode, FaultRecord, Holder, Intent, VERSION};
use region::model::{AttachEniRequest, AttachVolumeRequest, Caller, EniSpec, VolumeSpec};
use simulation::State;
use simulation::claims::node;
use simulation::zookeeper::Op;

pub(super) fn put(s: &mut State, kind: &str, id: u32, data: Vec<u8>, session: Option<u64>) {
    let by = session.unwrap_or_else(|| s.zk.connect("elder", 1));
    let wall = s.wall();
    let op = Op::Create { path: node(kind, id), data, ephemeral: session.is_some() };
    s.zk.multi(by, &[op], wall).expect("the state has no such node yet");
}

pub(super) fn claim(s: &State, id: u32, holder: &str) -> Claim {
    let (volume, eni) = s.rules.slots.get(&id).cloned().unzip();
    let holder = Holder {
        instance: holder.parse().unwrap(),
        boot: "00000000-0000-4000-8000-000000000009".parse().unwrap(),
        zone: "eu-central-1a".parse().unwrap(),
        volume: volume.map(|id| id.parse().unwrap()),
        eni: eni.map(|id| id.parse().unwrap()),
    };
    Claim::vacant().taken(holder, UnixTime::from_millis(s.wall()))
}

pub(super) fn held(s: &mut State, id: u32, holder: &str) {
    let claim = claim(s, id, holder);
    put(s, "slots", id, claim.bytes(), None);
}

pub(super) fn started(s: &mut State, id: u32, holder: &str) {
    let claim = claim(s, id, holder);
    let boot = claim.holder.as_ref().unwrap().boot.clone();
    put(s, "slots", id, claim.started(&boot, UnixTime::from_millis(s.wall())).bytes(), None);
}

pub(super) fn unfinished(s: &mut State, id: u32, holder: &str) {
    let claim = claim(s, id, holder).unfinished(vec!["its volume is still attached".to_owned()]);
    put(s, "slots", id, claim.bytes(), None);
}

pub(super) fn attach_volume(s: &mut State, id: u32, to: &str) {
    let (volume, instance) = (s.rules.slots[&id].0.clone(), to.to_owned());
    let request = AttachVolumeRequest { volume, instance, device: "/dev/sdf".into(), dry_run: false };
    s.region.attach_volume(&Caller::admin(), request).expect("it is free");
}

pub(super) fn attach_eni(s: &mut State, id: u32, to: &str) {
    let (eni, instance) = (s.rules.slots[&id].1.clone(), to.to_owned());
    let request = AttachEniRequest { eni, instance, device_index: 1, ..Default::default() };
    s.region.attach_network_interface(&Caller::admin(), request).expect("it is free");
}

pub(super) fn intent(s: &mut State, id: u32, of: &str, token: &str) {
    let intent = Intent {
        v: VERSION,
        instance: of.parse().unwrap(),
        boot: "00000000-0000-4000-8000-000000000009".parse().unwrap(),
        token: token.parse().unwrap(),
    };
    let session = s.zk.connect(of, 1_000_000_000);
    put(s, "intents", id, intent.bytes(), Some(session));
}

pub(super) fn fault(s: &mut State, seen_on: String) {
    let fault = FaultRecord {
        v: VERSION,
        code: FaultCode::Unreadable,
        reason: "its device cannot be read".to_owned(),
        seen_by: "i-00000000000000009".parse().unwrap(),
        count: 1,
        seen_on,
    };
    put(s, "faults", 0, fault.bytes(), None);
}

pub(super) fn extra(s: &mut State, volume: VolumeSpec, with_eni: bool) {
    let tags: region::model::Tags =
        [("berth:cluster", "orders"), ("Name", "KAFKA-0")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    s.region.add_volume(VolumeSpec { zone: "eu-central-1a".into(), tags: tags.clone(), ..volume });
    if with_eni {
        let subnet = s.rules.subnets[&'a'].clone();
        s.region.add_eni(EniSpec { subnet, tags, ..Default::default() });
    }
}

/// The fingerprint of slot 0, as a berth would have recorded it.
pub(super) fn fingerprint(s: &State) -> String {
    let (volume, eni) = &s.rules.slots[&0];
    format!("{volume} 1GiB multi-attach=false consent=false {eni}")
}
