//! One call of a boot goes wrong, each in turn: lost replies, late commits, throttling, server errors, stale reads.

use crate::{ready, the_instance, undisturbed};
use simulation::fate::{changes_something, is_of_aws, is_of_zookeeper};
use simulation::{Content, Life, Mishap, Scene, Settled, simulate};

fn every_call_meets(scene: &Scene, mishap: Mishap) {
    let (undisturbed, calls) = undisturbed(scene);
    for (call, name) in calls.into_iter().enumerate() {
        let concerned = match mishap {
            Mishap::Stale(_) => name.starts_with("Describe"),
            Mishap::Late(_) => is_of_aws(name) && changes_something(name),
            Mishap::SessionExpired => is_of_zookeeper(name),
            _ => is_of_aws(name) || is_of_zookeeper(name),
        };
        if !concerned {
            continue;
        }
        simulate(async {
            let world = scene.open();
            let instance = the_instance(&world).await;
            let berth = world.boot_with(&instance, Life::default().mishap_at(call, mishap));
            let exit = berth.exit().await;
            let at = format!("{mishap:?} at call {call}, {name}");
            let trace = || world.with(|s| s.trace.join("\n"));
            assert_eq!(exit, ready(0), "{at}\n{}", trace());
            world.pass(120_000).await;
            let mut settled = world.with(|s| Settled::of(s, &instance));
            // A `started` that lands after `done` spends nothing: the claim remembers the file system.
            if matches!(mishap, Mishap::Late(_)) && settled.consent.as_deref() == Some("started") {
                settled.consent = undisturbed.consent.clone();
            }
            assert_eq!(settled, undisturbed, "{at}\n{}", trace());
            assert!(world.now() < 900_000, "{at}: took too long");
            world.assert_lawful();
        });
    }
}

fn blank() -> Scene {
    let content = Content::Blank;
    Scene { slots: vec![('a', vec![0, 1])], desired: 1, content, format: Some("xfs"), ..Scene::default() }
}

#[test]
fn a_lost_reply_on_any_call_ends_right() {
    every_call_meets(&blank(), Mishap::Lost);
}

#[test]
fn a_late_commit_of_any_call_ends_right() {
    every_call_meets(&blank(), Mishap::Late(700));
    every_call_meets(&blank(), Mishap::Late(20_000));
}

#[test]
fn throttling_of_any_call_ends_right() {
    every_call_meets(&blank(), Mishap::Throttled);
}

#[test]
fn a_server_error_or_a_reset_on_any_call_ends_right() {
    every_call_meets(&blank(), Mishap::ServerError);
    every_call_meets(&blank(), Mishap::Reset);
}

#[test]
fn a_stale_read_of_any_describe_ends_right() {
    every_call_meets(&blank(), Mishap::Stale(3_000));
    every_call_meets(&blank(), Mishap::Stale(60_000));
}

#[test]
fn a_session_that_expires_at_any_call_ends_right() {
    every_call_meets(&blank(), Mishap::SessionExpired);
}
