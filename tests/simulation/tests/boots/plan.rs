//! `berth plan`: what it says is what the next boot does, and it changes nothing.
//!
//! What a boot does is read from ZooKeeper (whose intent came first) and from how the run ended, not from its words.

mod made;
mod states;
mod walks;

use berth_lifecycle::stories::boot::Ended;
use berth_lifecycle::stories::preview::{Preview, Would};
use berth_plan::records::Intent;
use berth_plan::slot::choose::Choice;
use region::model::Event;
use simulation::claims::node;
use simulation::{Exit, State, World, fate, laws};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a boot does first that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum First {
    /// It goes on with a slot whose claim names it.
    Resumed(u32),
    /// It writes an intent for a slot.
    Intended(u32),
    /// It waits.
    Waited,
    /// It ends, with this exit code.
    Ended(u8),
}

/// How long a boot that writes no intent is looked at: longer than any look that it takes before it chooses.
const PATIENCE: u64 = 90_000;

/// Nodes with their last change and owner, how many files, how many calls.
type Changeable = (BTreeMap<String, (i64, Option<u64>)>, [usize; 3], usize);

/// All that a look could have changed: nodes, files of the host, and calls that are no describes.
fn changeable(s: &mut State, instance: &str) -> Changeable {
    let nodes = s.zk.nodes.iter().map(|(path, node)| (path.clone(), (node.mzxid, node.owner))).collect();
    let calls = s.region.journal().iter().filter(|entry| match &entry.event {
        Event::Call { action, caller, .. } => {
            caller.as_deref() == Some(instance) && !action.starts_with("Describe")
        }
        _ => false,
    });
    let calls = calls.count();
    let host = s.host(instance);
    (nodes, [host.run.len(), host.var.len(), host.files.len()], calls)
}

/// The plan, which must have changed nothing.
async fn plan(world: &Arc<World>, instance: &str, gone: &[&str]) -> Preview {
    let before = world.with(|s| changeable(s, instance));
    let foretold = world.preview(instance, gone).await;
    let reads = |call: &&str| {
        !fate::changes_something(call) && !call.starts_with("note") && !call.starts_with("forget")
    };
    assert!(foretold.calls.iter().all(reads), "{:?}", foretold.calls);
    assert_eq!(world.with(|s| changeable(s, instance)), before);
    foretold.preview.expect("the plan can look")
}

fn foretold(preview: &Preview) -> First {
    match &preview.would {
        // It stays, and waits to be taken out of the warm pool.
        Would::NotNow(why) if why.contains("warm pool") => First::Waited,
        Would::NotNow(_) => First::Ended(0),
        Would::GiveUp(_, exit) => First::Ended(*exit),
        Would::Wait => First::Waited,
        Would::Go(Choice::Resume(id)) => First::Resumed(id.number()),
        Would::Go(_) | Would::Later(..) => {
            First::Intended(preview.slot().expect("it goes for a slot").number())
        }
    }
}

fn intended(s: &State, instance: &str) -> Option<u32> {
    let prefix = node("intents", "");
    let mut intents =
        s.zk.nodes.iter().filter(|(path, node)| path.starts_with(&prefix) && node.owner.is_some());
    intents.find_map(|(path, node)| {
        let intent = Intent::read(&node.data).ok()?;
        let mine = intent.instance.as_str() == instance && !intent.token.as_str().starts_with("earlier");
        mine.then(|| path.rsplit('/').next()?.parse().ok())?
    })
}

/// Boots, and says what it does first. The run goes on.
async fn booted(world: &Arc<World>, instance: &str) -> First {
    let berth = world.boot(instance);
    let first = world.until(PATIENCE, |s| match intended(s, instance) {
        Some(id) => Some(First::Intended(id)),
        None if s.runs.live.contains_key(instance) => None,
        None => s.runs.ended.last().map(|(.., exit)| match exit {
            Exit::Ended(Ended::Ready(id)) => First::Resumed(id.number()),
            Exit::Ended(Ended::NotNow(_)) => First::Ended(0),
            Exit::Ended(Ended::GaveUp(_, code)) => First::Ended(*code),
            Exit::Killed | Exit::Released(_) => unreachable!("nobody kills it"),
        }),
    });
    let first = first.await.unwrap_or_else(|| {
        world.with(|s| {
            laws::claims_of(s, instance).first().map_or(First::Waited, |(id, _)| First::Resumed(*id))
        })
    });
    drop(berth);
    first
}
