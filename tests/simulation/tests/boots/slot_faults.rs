//! Faults of one slot: passed over with a record, detached first, and the next slot taken.

use crate::{gave_up, ready, the_instance};
use berth_plan::records::Claim;
use berth_plan::service::Incarnation;
use region::model::{EniChange, Fault, FaultKind, Key, VolumeChange};
use simulation::claims::node;
use simulation::zookeeper::Op;
use simulation::{Content, Scene, Settled, State, simulate};

fn passes_over(content: Content, code: &str) {
    passes_over_in(|_| {}, content, code);
}

fn passes_over_in(before: impl FnOnce(&mut State), content: Content, code: &str) {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        world.with(before);
        let volume = world.with(|s| s.rules.slots[&0].0.clone());
        world.with(|s| s.disks.insert(volume.clone(), content.clone()));
        let instance = the_instance(&world).await;
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(1), "{trace}");
        let settled = world.with(|s| Settled::of(s, &instance));
        assert!(settled.volume && settled.eni && settled.mounted, "{settled:?}\n{trace}");
        let (record, disk) = world.with(|s| {
            let record = s.zk.nodes.get(&node("faults", 0)).map(|n| n.data.clone());
            (record.expect("the fault is on record"), s.disks[&volume].clone())
        });
        let record: serde_json::Value = serde_json::from_slice(&record).expect("a record is JSON");
        assert_eq!((record["code"].as_str(), record["count"].as_u64()), (Some(code), Some(1)), "{record}");
        assert_eq!(disk, content, "nothing was written on it");
        world.assert_lawful();
    });
}

#[test]
fn an_unreadable_device_is_passed_over() {
    passes_over(Content::Unreadable, "unreadable");
}

#[test]
fn a_foreign_signature_is_passed_over() {
    passes_over(Content::Foreign, "foreign");
}

#[test]
fn an_unfinished_file_system_that_berth_did_not_begin_is_passed_over() {
    passes_over(Content::InProgress("11111111-2222-4333-8444-555555555555".into()), "unfinished");
}

#[test]
fn another_brokers_data_is_passed_over() {
    let meta = "version=0\nbroker.id=7\ncluster.id=this-cluster\n";
    passes_over(
        Content::with_file("22222222-0000-4000-8000-000000000000", "data/meta.properties", meta),
        "identity",
    );
}

const OTHER_CLUSTER: &str = "version=0\nbroker.id=0\ncluster.id=that-cluster\n";

/// The claims remember a broker of this cluster here: the chroot is right, and the disk is wrong.
#[test]
fn another_clusters_data_is_passed_over() {
    let uuid = "22222222-0000-4000-8000-000000000000";
    passes_over_in(
        |s| {
            let claim = Claim::vacant().registered(Incarnation::of_register(1), None);
            let session = s.zk.connect("elder", 1);
            let op = Op::Create { path: node("slots", 9), data: claim.bytes(), ephemeral: false };
            s.zk.multi(session, &[op], 0).expect("there is no slot 9 yet");
        },
        Content::with_file(uuid, "data/meta.properties", OTHER_CLUSTER),
        "identity",
    );
}

/// Nobody was ever registered here: it is the chroot that is wrong, and every slot would meet the same.
#[test]
fn another_clusters_chroot_is_configuration() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        let uuid = "22222222-0000-4000-8000-000000000000";
        let content = Content::with_file(uuid, "data/meta.properties", OTHER_CLUSTER);
        world.with(|s| s.disks.insert(s.rules.slots[&0].0.clone(), content));
        let instance = the_instance(&world).await;
        let exit = world.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}");
        assert!(!world.with(|s| s.zk.nodes.contains_key(&node("faults", 0))), "no fault is recorded there");
        world.assert_lawful();
    });
}

#[test]
fn the_emptied_disk_of_a_slot_that_was_registered_is_never_started_on() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        let first = the_instance(&world).await;
        assert_eq!(world.boot(&first).exit().await, ready(0));
        world.with(|s| s.region.terminate_instance(&first));
        world.until(300_000, |s| (!s.host(&first).up).then_some(())).await;
        let (volume, uuid) = world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            let uuid = s.disks[&volume].uuid().expect("it is formatted").to_owned();
            (volume, uuid)
        });
        world.with(|s| s.disks.insert(volume, Content::xfs(&uuid)));
        let second = world.until(600_000, |s| {
            let mut up = s.hosts.iter().filter(|(id, host)| host.up && **id != first);
            up.next().map(|(id, _)| id.clone())
        });
        let second = second.await.expect("the group launches a replacement");
        assert_eq!(world.boot(&second).exit().await, ready(1));
        assert!(world.with(|s| s.zk.nodes.contains_key(&node("faults", 0))));
        world.assert_lawful();
    });
}

#[test]
fn sixteen_bad_slots_are_passed_over_in_the_time_of_their_attachments() {
    simulate(async {
        let ids: Vec<u32> = (0..=16).collect();
        let world = Scene { slots: vec![('a', ids)], desired: 1, ..Scene::default() }.open();
        world.with(|s| {
            for id in 0..16 {
                let volume = s.rules.slots[&id].0.clone();
                s.disks.insert(volume, Content::Foreign);
            }
        });
        let instance = the_instance(&world).await;
        let (began, exit) = (world.now(), world.boot(&instance).exit().await);
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(16), "{trace}");
        let took = world.now() - began;
        println!("16 bad slots passed over, the 17th ready after {} s", took / 1000);
        assert!(took < 150_000, "{took} ms\n{trace}");
        world.pass(60_000).await;
        let settled = world.with(|s| Settled::of(s, &instance));
        assert!(settled.volume && settled.eni, "{settled:?}\n{trace}");
        let left = world.with(|s| s.region.brought_to(&instance));
        assert_eq!((left.0.len(), left.1.len()), (1, 1), "{left:?}\n{trace}");
        for id in 0..16 {
            let claim = world.with(|s| s.zk.nodes[&node("slots", id)].data.clone());
            let claim: serde_json::Value = serde_json::from_slice(&claim).expect("a claim is JSON");
            assert_eq!(claim["state"], "free", "slot {id}: {claim}\n{trace}");
        }
        world.assert_lawful();
    });
}

/// As EBS does with a bad volume: accepted, attached, and then not.
#[test]
fn a_slot_whose_attachment_ec2_undoes_is_not_chosen_again_while_another_is_vacant() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        world.with(|s| {
            s.region.settings_mut().delays.volume_attach = region::model::Delay::Fixed(60_000);
            let volume = s.rules.slots[&0].0.clone();
            let undone = Fault::next("AttachVolume", FaultKind::Undone(3_000));
            s.region.inject(Fault { resource: Some(volume), count: Some(9), ..undone });
        });
        let instance = the_instance(&world).await;
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(1), "{trace}");
        assert!(!world.with(|s| s.zk.nodes.contains_key(&node("faults", 0))), "once is no fault\n{trace}");
        world.assert_lawful();
    });
}

/// Makes a slot's part one that EC2 will not attach.
type Spoil = fn(&mut simulation::State);

/// What belongs to one volume or interface alone costs its slot, not the boot.
#[test]
fn a_slot_whose_part_ec2_will_not_attach_is_passed_over() {
    let spoil: [(&str, Spoil); 2] = [
        ("CustomerKeyHasBeenRevoked", |s| {
            let volume = s.rules.slots[&0].0.clone();
            let key = Some(Key::Disabled);
            assert!(s.region.set_volume(&volume, &VolumeChange { key, ..Default::default() }));
        }),
        ("requester-managed", |s| {
            let eni = s.rules.slots[&0].1.clone();
            let requester_managed = Some(true);
            assert!(s.region.set_eni(&eni, &EniChange { requester_managed, ..Default::default() }));
        }),
    ];
    for (code, spoil) in spoil {
        simulate(async {
            let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
            world.with(spoil);
            let instance = the_instance(&world).await;
            let exit = world.boot(&instance).exit().await;
            let trace = world.with(|s| s.trace.join("\n"));
            assert_eq!(exit, ready(1), "{code}\n{trace}");
            assert!(trace.contains(code), "{code}\n{trace}");
            world.pass(60_000).await;
            let left = world.with(|s| s.region.brought_to(&instance));
            assert_eq!((left.0.len(), left.1.len()), (1, 1), "{code} {left:?}\n{trace}");
            world.assert_lawful();
        });
    }
}

#[test]
fn an_image_that_cannot_mount_a_disk_marks_no_slot_and_the_image_before_heals() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let suspended = vec!["ReplaceUnhealthy".to_owned()];
        let scene =
            Scene { slots: vec![('a', vec![0, 1])], desired: 1, config, suspended, ..Scene::default() };
        let world = scene.open();
        let volume = world.with(|s| s.rules.slots[&0].0.clone());
        let good = world.with(|s| s.disks[&volume].clone());
        let uuid = good.uuid().expect("it is formatted").to_owned();
        world.with(|s| s.disks.insert(volume.clone(), Content::Newer(uuid)));
        let first = the_instance(&world).await;
        assert_eq!(gave_up(&world.boot(&first).exit().await), Some(1));
        let faults =
            |s: &simulation::State| s.zk.nodes.keys().filter(|path| path.contains("/faults/")).count();
        assert_eq!(world.with(|s| faults(s)), 0, "trouble of this host is no fault of a slot");
        // The rollback.
        world.with(|s| {
            s.disks.insert(volume, good);
            s.region.terminate_instance(&first);
        });
        let second = world.until(1_200_000, |s| {
            let mut up = s.hosts.iter().filter(|(id, host)| host.up && **id != first);
            up.next().map(|(id, _)| id.clone())
        });
        let second = second.await.expect("the group launches a replacement");
        assert_eq!(world.boot(&second).exit().await, ready(0));
        world.assert_lawful();
    });
}
