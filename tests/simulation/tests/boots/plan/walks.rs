//! The states that random walks leave in their midst: runs killed anywhere, slots half taken, half given back.

use super::{First, booted, foretold, plan};
use simulation::walk::interrupted;
use simulation::{laws, simulate};
use std::collections::BTreeMap;

/// What was foretold, over all seeds: each kind must have been met, or the walks prove little.
#[test]
fn in_every_state_that_a_walk_leaves_the_next_boot_does_what_the_plan_said() {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut met: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..seeds {
        simulate(async {
            let world = interrupted(seed).await;
            let up: Vec<String> = world
                .with(|s| s.hosts.iter().filter(|(_, host)| host.up).map(|(id, _)| id.clone()).collect());
            for instance in up {
                let preview = plan(&world, &instance, &[]).await;
                let mine = world.with(|s| laws::claims_of(s, &instance).len());
                let (said, first) = (preview.sentence(), booted(&world, &instance).await);
                let trace = || world.with(|s| s.trace.join("\n"));
                let late = preview.notes.iter().any(|note| note.contains("deadline has passed"));
                let as_told = foretold(&preview) == first || (late && first == First::Ended(1));
                assert!(as_told, "seed {seed}, {instance}: {said}, and came to {first:?}\n{}", trace());
                let kind = format!("{:?} {mine}", preview.would);
                *met.entry(kind.split(['(', ' ']).take(2).collect::<Vec<_>>().join(" ")).or_default() += 1;
                // The next instance is asked in a state that stands still.
                world.pass(900_000).await;
            }
        });
    }
    println!("foretold: {met:?}");
    for kind in ["Go Resume", "Go Take"] {
        assert!(met.keys().any(|met| met.starts_with(kind)), "no walk came to {kind}: {met:?}");
    }
}
