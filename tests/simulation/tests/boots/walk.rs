//! Random walks: a failing seed is replayed with `SEED=<n> cargo test -p simulation walk -- --nocapture`.

use simulation::{simulate, walk::walk};

#[test]
fn when_faults_cease_everything_is_in_its_place_for_every_seed() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|text| text.parse().ok()) {
        let walked = simulate(walk(seed));
        println!("{}", walked.trace.join("\n"));
        assert!(walked.violations.is_empty(), "{:#?}", walked.violations);
        return;
    }
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut failing = Vec::new();
    for seed in 0..seeds {
        let walked = simulate(walk(seed));
        for law in walked.violations {
            failing.push(format!("SEED={seed} cargo test -p simulation walk -- --nocapture  # {law}"));
        }
    }
    assert!(failing.is_empty(), "{} violations:\n{}", failing.len(), failing.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_journal_to_the_byte() {
    for seed in [3, 8, 21] {
        let (one, two) = (simulate(walk(seed)), simulate(walk(seed)));
        assert_eq!(one.trace, two.trace);
        assert!(one.journal == two.journal);
        assert!(one.journal.len() > 10_000, "something happened");
    }
}
