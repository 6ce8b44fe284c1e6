//! The rules of scenario files.

use super::*;

fn mistake(text: &str) -> String {
    Scenario::parse(text, "x.toml").unwrap_err().to_string()
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_right_one() {
    assert_eq!(
        mistake("service = \"stub\"\nabuot = 3\n"),
        "x.toml:2:1: unknown field `abuot`: did you mean `about`?"
    );
    assert_eq!(
        mistake("slots = 1\n[[step]]\nrun = \"true\"\nstdout-contain = \"x\"\n"),
        "x.toml:4:1: unknown field `stdout-contain`: did you mean `stdout-contains`?"
    );
}

#[test]
fn an_unknown_delay_is_named_with_the_nearest_right_one() {
    assert_eq!(
        mistake("[region.delays]\nvolume-atach = \"1s\"\n"),
        "x.toml:2:1: unknown delay `volume-atach`: did you mean `volume-attach`?"
    );
}

#[test]
fn a_value_that_does_not_exist_is_named_with_the_right_ones() {
    assert!(
        mistake("service = \"kafkaa\"\n").contains("did you mean `kafka`?"),
        "{}",
        mistake("service = \"kafkaa\"\n")
    );
    assert!(mistake("[cluster]\nzookeeper = 2\n").contains("x.toml:2:1: an ensemble has 0, 1 or 3 servers"));
    assert!(mistake("[[instance]]\nzone = \"d\"\n").contains("there is no zone \"d\""));
}

#[test]
fn slots_are_spread_over_the_zones() {
    let scenario = Scenario::parse("slots = 4", "x.toml").unwrap();
    let zones: Vec<(u32, &str)> = scenario.slot.iter().map(|s| (s.id, s.zone.as_str())).collect();
    assert_eq!(zones, [(0, "a"), (1, "b"), (2, "c"), (3, "a")]);
    assert!(mistake("slots = 1\n[[slot]]\nid = 0\nzone = \"a\"\n").contains("not both"));
}

#[test]
fn delays_are_fixed_or_a_range_and_the_others_stay_as_on_aws() {
    let scenario = Scenario::parse(
        "[region.delays]\nvolume-attach = \"1500ms\"\neni-attach = [\"1s\", \"2s\"]\n",
        "x.toml",
    )
    .unwrap();
    let delays = scenario.delays();
    assert_eq!(delays.volume_attach, Delay::Fixed(1500));
    assert_eq!(delays.eni_attach, Delay::Uniform(1000, 2000));
    assert_eq!(delays.instance_pending, Delays::default().instance_pending);
}

#[test]
fn a_quick_region_has_the_delays_of_the_scenario_all_the_same() {
    let scenario =
        Scenario::parse("[region]\nquick = true\n[region.delays]\neni-attach = \"4s\"\n", "x.toml").unwrap();
    let delays = scenario.delays();
    assert_eq!((delays.volume_attach, delays.eni_attach), (Delay::Fixed(500), Delay::Fixed(4000)));
    assert_eq!(delays.instance_shutting_down, Delays::default().instance_shutting_down);
}

#[test]
fn a_step_does_one_thing() {
    assert!(
        mistake("[[step]]\nrun = \"true\"\nfail = \"slot 1\"\n")
            .contains("step 1: a step does one thing, and this one does run and fail")
    );
    assert!(mistake("[[step]]\ntimeout = \"5s\"\n").contains("step 1: a step needs one of"));
    assert!(mistake("[[step]]\nkill = \"berth\"\n").contains("`kill` needs `on"));
    assert!(mistake("[[step]]\nwait = \"signal\"\ntimeout = \"soon\"\n").contains("is not a time"));
}

#[test]
fn every_scenario_of_the_repository_is_right() {
    let directory = crate::image::repository().join("tests/scenarios");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let scenario = Scenario::load(&path).unwrap_or_else(|e| panic!("{}", e.chain()));
            assert!(!scenario.about.is_empty(), "{} says what it is about", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} scenarios in {}", directory.display());
}
