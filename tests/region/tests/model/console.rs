//! GetConsoleOutput: late, the newest, and after the instance is gone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use region::model::*;

use crate::world::*;

fn output(world: &mut World, id: &str, latest: bool) -> Option<String> {
    let request = ConsoleRequest { instance: id.into(), latest, ..ConsoleRequest::default() };
    let view = world.region.get_console_output(&Caller::admin(), request).expect("it answers");
    view.output.map(|text| String::from_utf8(STANDARD.decode(text).expect("base64")).expect("text"))
}

#[test]
fn the_console_is_shown_late_unless_the_latest_is_asked_for() {
    let mut world = world();
    world.region.settings_mut().delays.console_output = Delay::Fixed(60_000);
    let id = world.running(&world.a.clone());
    assert_eq!(output(&mut world, &id, true), None);
    assert!(world.region.write_console(&id, "one\n"));
    assert_eq!(output(&mut world, &id, false), None);
    assert_eq!(output(&mut world, &id, true).as_deref(), Some("one\n"));
    world.pass(60_000);
    world.region.write_console(&id, "two\n");
    assert_eq!(output(&mut world, &id, false).as_deref(), Some("one\n"));
    assert_eq!(output(&mut world, &id, true).as_deref(), Some("one\ntwo\n"));
    assert!(!world.region.write_console("i-00000000000000000", "nobody's"));
}

#[test]
fn the_newest_64_kilobytes_stay_for_an_hour_after_the_end() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    world.region.write_console(&id, "old");
    world.region.write_console(&id, &"x".repeat(64 * 1024 - 4));
    world.region.write_console(&id, "last");
    world.region.terminate_instance(&id);
    world.pass(GOING + 3_599_000);
    let text = output(&mut world, &id, false).unwrap();
    assert_eq!(text.len(), 64 * 1024);
    assert!(text.starts_with('x') && text.ends_with("xlast"));
    world.pass(1_000);
    let request = ConsoleRequest { instance: id, ..ConsoleRequest::default() };
    let gone = world.region.get_console_output(&Caller::admin(), request);
    assert_eq!(code(gone), "InvalidInstanceID.NotFound");
}

#[test]
fn the_latest_is_for_nitro_only() {
    let mut world = world();
    let spec =
        LaunchSpec { subnet: world.a.clone(), instance_type: "m4.large".into(), ..LaunchSpec::default() };
    let id = world.region.run_instance(spec);
    world.region.write_console(&id, "one\n");
    assert_eq!(output(&mut world, &id, false).as_deref(), Some("one\n"));
    let request = ConsoleRequest { instance: id, latest: true, ..ConsoleRequest::default() };
    assert_eq!(code(world.region.get_console_output(&Caller::admin(), request)), "UnsupportedOperation");
}
