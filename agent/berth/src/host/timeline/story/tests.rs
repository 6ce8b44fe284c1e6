//! The record stays small, and says what it left out.

use super::*;

/// Seconds of a boot that is refused again and again.
const REFUSALS: u64 = 10_000;

fn at(millis: u64) -> SinceBoot {
    SinceBoot::from_millis(millis)
}

fn size(story: &Story) -> usize {
    serde_json::to_string_pretty(story).unwrap().len()
}

#[test]
fn ten_thousand_equal_rounds_are_three_steps_and_a_number() {
    let mut story = Story::default();
    for n in 0..REFUSALS {
        let now = at(n * 1000);
        story.begin("intend", true, now);
        story.fact("intend", "slot 3 chosen", now);
        story.end("intend", "done", now + Duration::from_millis(1));
        story.begin("attach volume", false, now + Duration::from_millis(1));
        story.wait("attach volume", "vol-1: VolumeInUse", now + Duration::from_millis(2));
        story.end("attach volume", "vol-1 cannot be attached", now + Duration::from_millis(3));
    }
    let shown: Vec<_> = story.steps.iter().map(|s| (s.step.as_str(), s.times, s.began, s.last)).collect();
    let last = |ms| Some(at((REFUSALS - 1) * 1000 + ms));
    assert_eq!(shown, [("intend", REFUSALS, at(0), last(1)), ("attach volume", REFUSALS, at(1), last(3)),]);
    assert_eq!(story.steps[0].facts, [Fact::Again { fact: "slot 3 chosen".to_owned(), times: REFUSALS }]);
    assert_eq!((story.steps_left_out, story.steps[1].waits_for.as_ref()), (0, None));
    assert!(size(&story) < 1024, "{}", size(&story));
}

#[test]
fn ten_thousand_rounds_that_all_differ_keep_the_first_and_the_last_and_say_how_many_are_missing() {
    let mut story = Story::default();
    let long = "\"\\\n".repeat(300);
    for n in 0..REFUSALS {
        story.begin("intend", true, at(n));
        for fact in 0..if n % 100 == 99 { 30 } else { 2 } {
            story.fact("intend", &format!("fact {n} {fact} {long}"), at(n));
        }
        story.end("intend", &format!("refusal {n}: {long}"), at(n));
        if n % 1000 == 999 {
            assert!(size(&story) < 64 * 1024, "{}", size(&story));
        }
    }
    assert!(story.steps.len() <= STEPS && story.steps.len() > 1, "{}", story.steps.len());
    let ended: u64 = story.steps.iter().map(|step| step.times).sum();
    assert_eq!(story.steps_left_out + ended, REFUSALS);
    let last = story.steps.last().unwrap();
    assert!(last.outcome.as_ref().unwrap().starts_with("refusal 9999"), "{:?}", last.outcome);
    assert_eq!(last.facts_left_out + last.facts.len() as u64, 30);

    let mut short = Story::default();
    for n in 0..REFUSALS {
        short.begin("intend", true, at(n));
        short.end("intend", &format!("refusal {n}"), at(n));
    }
    let first: Vec<_> = short.steps[..2].iter().map(|s| s.outcome.as_deref().unwrap()).collect();
    assert_eq!((first, short.steps.len()), (vec!["refusal 0", "refusal 1"], STEPS));
}

#[test]
fn what_was_under_way_is_given_up_when_the_boot_chooses_again() {
    let mut story = Story::default();
    story.begin("storage", false, at(1));
    story.wait("storage", "the device", at(2));
    story.begin("network", false, at(1));
    story.end("network", "no link", at(3));
    story.begin("intend", true, at(4));
    let open: Vec<_> = story.steps.iter().filter(|s| s.ended.is_none()).map(|s| &s.step).collect();
    assert_eq!(open, ["intend"], "nothing waits for a device any more");
    assert_eq!(story.steps[0].outcome.as_deref(), Some("given up"));
}

#[test]
fn a_long_wait_is_told_again_each_time_that_it_became_twice_as_long() {
    let mut story = Story::default();
    story.begin("intend", true, at(0));
    let mut told = Vec::new();
    for second in 0..600 {
        match story.wait("intend", "a vacant slot", at(second * 1000)) {
            Wait::Told => {}
            wait => told.push((second, wait)),
        }
    }
    let again = [60, 120, 240, 480].map(|second| (second, Wait::Still(Duration::from_secs(second))));
    assert_eq!((&told[0], &told[1..]), (&(0, Wait::Another), &again[..]));
    assert_eq!(story.wait("intend", "ZooKeeper", at(600_000)), Wait::Another);
}

#[test]
fn a_wait_that_no_step_began_is_over_with_the_step_around_it_and_a_late_fact_opens_none() {
    let mut story = Story::default();
    story.begin("intend", true, at(1));
    assert_eq!([2, 3].map(|now| story.wait("observe", "EC2", at(now))), [Wait::Another, Wait::Told]);
    story.end("intend", "done", at(4));
    story.fact("intend", "late", at(5));
    assert!(story.steps.iter().all(|s| s.ended == Some(at(4))), "{story:?}");
    assert_eq!(story.steps[0].facts, [Fact::Once("late".to_owned())]);
}

#[test]
fn the_record_of_an_older_berth_is_read() {
    let old = r#"{"instance":"i-1","boot":"b","process":7,"ended":null,"steps":[{"step":"intend","began":1,
        "ended":2,"outcome":"done","waits_for":null,"waits_since":null,"facts":["slot 3 chosen"]}]}"#;
    let story: Story = serde_json::from_str(old).unwrap();
    assert_eq!((story.steps[0].times, story.outcome), (1, None));
    assert_eq!(story.steps[0].facts[0].text(), "slot 3 chosen");
}
