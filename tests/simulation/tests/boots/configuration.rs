//! What the operator must mend: unwound, told as a failure, exit 78, and never unhealthy.

use crate::{actions, gave_up, the_instance};
use region::model::VolumeSpec;
use simulation::{Content, Scene, Settled, simulate};

fn ends_with_78(scene: Scene, sentence: &str) {
    ends_with_78_by(scene, None, sentence);
}

fn ends_with_78_by(scene: Scene, base: Option<&str>, sentence: &str) {
    simulate(async {
        let world = Scene { desired: 1, ..scene.clone() }.open();
        let instance = the_instance(&world).await;
        if let Some(base) = base {
            let path = "/etc/kafka/server.properties.base".to_owned();
            world.with(|s| s.host(&instance).files.insert(path, base.as_bytes().to_vec()));
        }
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}\n{trace}");
        assert!(format!("{exit:?}").contains(sentence), "{exit:?}");
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.slot, settled.told), (None, vec!["FAILURE".to_owned()]), "{trace}");
        assert_eq!(world.with(|s| s.region.brought_to(&instance)), (vec![], vec![]), "{trace}");
        assert_eq!(world.with(|s| s.host(&instance).mount.clone()), None);
        let unhealthy = actions(&world, &instance, "autoscaling").contains(&"SetInstanceHealth".to_owned());
        assert!(!unhealthy, "{trace}");
        assert_eq!(world.with(|s| s.formats), 0);
        world.assert_lawful();
    });
}

#[test]
fn a_blank_volume_without_consent_names_the_line_to_write() {
    ends_with_78(Scene { content: Content::Blank, ..Scene::default() }, "create-tags");
}

#[test]
fn logs_at_the_root_of_the_volume_name_the_log_dir_to_write() {
    let content =
        Content::with_file("x", "meta.properties", "version=0\nbroker.id=0\ncluster.id=this-cluster\n");
    ends_with_78(Scene { content, ..Scene::default() }, "log_dir");
}

#[test]
fn a_xen_instance_is_refused_before_it_calls_anything() {
    for instance_type in ["m4.large", "g2.2xlarge", "g3s.xlarge"] {
        ends_with_78(Scene { instance_type, ..Scene::default() }, "Nitro");
    }
}

#[test]
fn an_instance_with_ipv6_alone_is_told_what_a_slot_needs() {
    ends_with_78(Scene { ipv6_only: true, ..Scene::default() }, "a slot needs IPv4");
}

#[test]
fn a_name_with_zeros_before_its_number_is_said() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![])], desired: 1, ..Scene::default() }.open();
        let volume = world.with(|s| {
            let tags = [("berth:cluster", "orders"), ("Name", "KAFKA-007")];
            let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
            s.region.add_volume(VolumeSpec { zone: "eu-central-1a".into(), tags, ..VolumeSpec::default() })
        });
        let instance = the_instance(&world).await;
        let exit = world.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}");
        let said = format!("{exit:?}");
        assert!(said.contains(&format!("{volume} named \\\"KAFKA-007\\\"")), "{said}");
        assert!(said.contains("has a Name as KAFKA-{id}"), "{said}");
    });
}

#[test]
fn a_base_file_that_java_would_not_load_is_told_with_its_line() {
    let sentence = "server.properties.base:2: \\\"\\\\users\\\" is no";
    ends_with_78_by(Scene::default(), Some("a=1\npath=C:\\users\n"), sentence);
}
