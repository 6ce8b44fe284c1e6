//! `berth slot`: what the records say of slots, and what only an operator may say of one.
//!
//! It asks ZooKeeper alone, and so works on an operator's machine too.

use super::failed;
use crate::cli::SlotCommand;
use crate::wiring::wire_desk;
use berth_lifecycle::stories::slot::{Desk, ResetDone, SlotShown, Undone};
use berth_plan::UnixTime;
use berth_plan::config::Config;
use berth_plan::records::{Claim, FaultRecord, State};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn slot(config: Config, command: SlotCommand) -> u8 {
    let (desk, zookeeper) = wire_desk(&config, operator());
    let answer = tokio::time::timeout(WITHIN, answer(&desk, &command)).await;
    zookeeper.close().await;
    match answer {
        Ok(Ok(text)) => {
            println!("{}", text.trim_end());
            0
        }
        Ok(Err(undone)) => failed(&undone.to_string(), 1),
        Err(_) => failed(
            &format!(
                "ZooKeeper did not answer within {} s; `berth slot show` says what was done",
                WITHIN.as_secs()
            ),
            1,
        ),
    }
}

async fn answer(desk: &Desk, command: &SlotCommand) -> Result<String, Undone> {
    Ok(match command {
        SlotCommand::List { json: true } => {
            format!("{:#}", json!(desk.list().await?.iter().map(json_of).collect::<Vec<_>>()))
        }
        SlotCommand::List { json: false } => listed(&desk.list().await?, desk.at),
        SlotCommand::Show { slot, json: true } => format!("{:#}", json_of(&desk.show(*slot).await?)),
        SlotCommand::Show { slot, json: false } => shown(&desk.show(*slot).await?, desk.at),
        SlotCommand::History { slot, json } => {
            let shown = desk.show(*slot).await?;
            match (shown.records.claim, json) {
                (claim, true) => format!("{:#}", json!(claim.map(|c| c.value.history).unwrap_or_default())),
                (Some(claim), false) => history(&claim.value),
                (None, false) => format!("nobody ever claimed slot {slot}"),
            }
        }
        SlotCommand::Clear { slot } => {
            let fault = desk.clear(*slot).await?;
            format!("slot {slot} is no longer marked faulty; what was seen:\n  {}", fault_text(&fault))
        }
        SlotCommand::Reset { slot, accept_loss } => {
            reset_text(*slot, &desk.reset(*slot, *accept_loss).await?)
        }
    })
}

/// User and host, for the record.
fn operator() -> String {
    let user = std::env::var("SUDO_USER")
        .ok()
        .or_else(|| nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let word = |text: &str| text.chars().filter(|c| c.is_ascii_graphic()).take(64).collect::<String>();
    format!("{}@{}", word(user.as_deref().unwrap_or("somebody")), word(host.trim()))
}

/// "3 days", "5 min".
fn age(now: UnixTime, at: UnixTime) -> String {
    let seconds = now.since(at).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Who has the slot, in a few words.
fn stands(of: &SlotShown) -> String {
    let Some(claim) = of.records.claim.as_ref().map(|claim| &claim.value) else {
        let is_odd = of.records.unreadable.is_some();
        return if is_odd { "cannot be read" } else { "never claimed" }.to_owned();
    };
    match (claim.state, claim.names()) {
        (State::Held, Some(holder)) => format!("held by {holder}"),
        (State::Unfinished, Some(holder)) => format!("left unfinished by {holder}"),
        _ => "free".to_owned(),
    }
}

/// For how long it has stood so: since the last line of its history.
fn since(of: &SlotShown, now: UnixTime) -> String {
    let claim = of.records.claim.as_ref();
    let at = claim.and_then(|claim| claim.value.history.last().map(|owner| owner.at));
    at.map_or_else(|| "-".to_owned(), |at| age(now, at))
}

fn broker(of: &SlotShown) -> String {
    match &of.registration {
        None => "not registered".to_owned(),
        Some(registration) => match registration.endpoints.first() {
            Some((host, _)) => format!("registered at {host}"),
            None => "registered, its host cannot be read".to_owned(),
        },
    }
}

fn listed(slots: &[SlotShown], now: UnixTime) -> String {
    if slots.is_empty() {
        return "no slot of this cluster was ever claimed; `berth plan` on an instance shows those that EC2 has"
            .to_owned();
    }
    let rows: Vec<[String; 4]> =
        slots.iter().map(|of| [of.id.to_string(), stands(of), since(of, now), broker(of)]).collect();
    let head = ["slot", "claim", "for", "broker"].map(str::to_owned);
    let wide = |n: usize| rows.iter().chain([&head]).map(|row| row[n].len()).max().unwrap_or(0);
    let (id, claim, time) = (wide(0), wide(1), wide(2));
    let mut text = String::new();
    for (n, row) in [&head].into_iter().chain(&rows).enumerate() {
        let _ = writeln!(text, "{:>id$}  {:<claim$}  {:>time$}  {}", row[0], row[1], row[2], row[3]);
        let Some(of) = n.checked_sub(1).map(|n| &slots[n]) else { continue };
        for note in notes(of, now) {
            let _ = writeln!(text, "{:>id$}  {note}", "");
        }
    }
    text
}

/// What is not as usual.
fn notes(of: &SlotShown, now: UnixTime) -> Vec<String> {
    let records = &of.records;
    let claim = records.claim.as_ref().map(|claim| &claim.value);
    let fault = records.fault.iter().map(|fault| format!("faulty: {}", fault_text(fault)));
    let odd = records.unreadable.iter().map(|why| format!("unreadable: {why}"));
    let left = claim.into_iter().flat_map(|c| &c.left).map(|left| format!("still to undo: {left}"));
    let reset = claim.and_then(|claim| claim.reset.as_ref()).map(|reset| {
        let loss = match reset.accept.len() {
            0 => String::new(),
            count => format!(", the loss of {count} partitions accepted"),
        };
        format!("reset {} ago by {}: it may begin empty{loss}", age(now, reset.at), reset.by)
    });
    let intent = records.intent.iter().map(|intent| format!("{} is about to take it", intent.instance));
    fault.chain(odd).chain(left).chain(reset).chain(intent).collect()
}

fn fault_text(fault: &FaultRecord) -> String {
    let times = if fault.count == 1 { "once".to_owned() } else { format!("{} times", fault.count) };
    format!("{} (seen {times}, last by {})", fault.reason, fault.seen_by)
}

fn shown(of: &SlotShown, now: UnixTime) -> String {
    let mut text = format!("slot {}: {} for {}, broker {}\n", of.id, stands(of), since(of, now), broker(of));
    let claim = of.records.claim.as_ref().map(|claim| &claim.value);
    let mut line = |name: &str, value: Option<String>| {
        let _ = writeln!(text, "  {name:<11}{}", value.unwrap_or_else(|| "none".to_owned()));
    };
    let holder = claim.and_then(|claim| claim.holder.as_ref());
    line("zone", holder.map(|holder| holder.zone.to_string()));
    line("volume", holder.and_then(|holder| holder.volume.as_ref()).map(ToString::to_string));
    line("interface", holder.and_then(|holder| holder.eni.as_ref()).map(ToString::to_string));
    line("disk", claim.and_then(|c| c.disk.as_ref()).map(|d| format!("{} {} on {}", d.fs, d.uuid, d.volume)));
    line("started", claim.and_then(|c| c.started.as_ref()).map(|s| format!("{} ago", age(now, s.at))));
    let last = claim.and_then(|c| c.registered.as_ref());
    line(
        "last seen",
        last.map(|r| format!("registered at {}", r.host.as_deref().unwrap_or("an unknown host"))),
    );
    for note in notes(of, now) {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// Oldest first.
fn history(claim: &Claim) -> String {
    let line = |owner: &berth_plan::records::Owner| {
        let at = UNIX_EPOCH + Duration::from_millis(owner.at.as_millis());
        format!("{}  {}  {}", humantime::format_rfc3339_seconds(at), owner.instance, owner.why)
    };
    claim.history.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn reset_text(slot: berth_plan::BrokerId, done: &ResetDone) -> String {
    let mut text = format!("slot {slot} is reset: the next boot on it may begin with an empty log dir\n");
    for (partition, standing) in &done.partitions {
        let lost =
            if done.reset.accept.contains(&partition.to_string()) { "; its loss is accepted" } else { "" };
        let _ = writeln!(text, "  {partition}: {standing}{lost}");
    }
    if done.partitions.is_empty() {
        text.push_str("  no partition names its broker\n");
    }
    if done.lifted.is_some() {
        text.push_str("  it is no longer marked faulty\n");
    }
    text
}

fn json_of(of: &SlotShown) -> Value {
    json!({
        "slot": of.id,
        "claim": of.records.claim.as_ref().map(|claim| &claim.value),
        "changed": of.records.claim.as_ref().map(|claim| claim.changed),
        "intent": of.records.intent,
        "fault": of.records.fault,
        "unreadable": of.records.unreadable,
        "registered": of.registration.as_ref().map(|registration| {
            let endpoints = registration.endpoints.iter().map(|(host, port)| format!("{host}:{port}"));
            json!({ "endpoints": endpoints.collect::<Vec<_>>() })
        }),
    })
}
