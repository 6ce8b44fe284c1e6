//! Playing a scenario: its steps one after the other, each told, each within its time; the first that does not hold ends it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::instance::{Ran, ran};
use crate::lab_run::{LabRun, SlotMade};
use crate::operator;
use crate::scenario::{Deed, Step};
use check::check;
pub use check::slots_taken;

mod check;

/// Plays all steps.
pub async fn play(lab: &mut LabRun) -> Result<()> {
    let steps = lab.scenario.step.clone();
    let mut from = 0;
    for (n, step) in steps.iter().enumerate() {
        if let Some(say) = &step.say {
            lab.story.part(say);
        }
        let number = n + 1;
        lab.caught_up().await;
        let deed = step.deed().map_err(Error::new)?;
        let limit = step.limit().map_err(Error::new)?;
        // A wait after a deed sees what the deed set off, even when it happened at once.
        if !matches!(deed, Deed::Wait { .. } | Deed::Say) {
            from = lab.journal_length();
        }
        let done = carry_out(lab, step, deed, limit, from).await;
        done.map_err(|error| Error::new(format!("step {number}: {}", error.chain())))?;
    }
    Ok(())
}

async fn carry_out(lab: &LabRun, step: &Step, deed: Deed, limit: Duration, from: usize) -> Result<()> {
    match deed {
        Deed::Say => Ok(()),
        Deed::Wait { event, fields, count } => wait(lab, &event, &fields, count, limit, from).await,
        Deed::Run { line, on } => run(lab, step, &line, &on, limit).await,
        Deed::Happens { what, to } => {
            let known = lab.find(&to)?;
            lab.story.tell("lab", format!("{what} {} ({})", known.label, known.id));
            lab.served.with(|region| match what {
                "fail" => region.fail_instance(&known.id),
                "terminate" => region.terminate_instance(&known.id),
                "reboot" => region.reboot_instance(&known.id),
                "stop" => region.stop_instance(&known.id),
                _ => region.start_instance(&known.id),
            });
            Ok(())
        }
        Deed::AttachSlot { slot, on } => {
            let known = lab.find(&on)?;
            lab.story.tell("operator", format!("attaches slot {slot} to {} by hand", known.label));
            operator::attach(lab, slot_of(lab, slot)?, &known)
        }
        Deed::DetachSlot(slot) => {
            lab.story.tell("operator", format!("detaches slot {slot} by hand"));
            operator::detach(lab, slot_of(lab, slot)?)
        }
        Deed::Kill { process, on, signal } => {
            let line = format!("pkill -{signal} -x '{process}'");
            shell(lab, &on, &line, limit).await.and_then(|ran| expect(&line, &ran, &Step::default()))
        }
        Deed::RestartUnit { unit, on } => {
            let line = format!("systemctl restart {unit}");
            shell(lab, &on, &line, limit).await.and_then(|ran| expect(&line, &ran, &Step::default()))
        }
        Deed::Fault(mut fault) => {
            for text in [&mut fault.caller, &mut fault.resource].into_iter().flatten() {
                *text = fill(lab, text)?;
            }
            lab.story
                .tell("lab", format!("from now on: {}", serde_json::to_string(&fault).unwrap_or_default()));
            lab.served.with(|region| region.inject(fault));
            Ok(())
        }
        Deed::ClearFaults => {
            lab.served.with(|region| region.clear_faults());
            Ok(())
        }
        Deed::KillZooKeeper(n) => {
            lab.story.tell("lab", format!("kill ZooKeeper server {n}"));
            with_ensemble(lab)
                .await?
                .as_mut()
                .ok_or_else(no_zookeeper)?
                .kill_server(n.saturating_sub(1))
                .await
        }
        Deed::StartZooKeeper(n) => {
            lab.story.tell("lab", format!("start ZooKeeper server {n}"));
            with_ensemble(lab)
                .await?
                .as_mut()
                .ok_or_else(no_zookeeper)?
                .start_server(n.saturating_sub(1))
                .await
        }
        Deed::Check(look) => check(lab, &look).await,
    }
}

type Guard<'a> = tokio::sync::MutexGuard<'a, Option<crate::zookeeper::Ensemble>>;

async fn with_ensemble(lab: &LabRun) -> Result<Guard<'_>> {
    Ok(lab.ensemble.lock().await)
}

fn no_zookeeper() -> Error {
    Error::new("the scenario has no ZooKeeper")
}

async fn wait(
    lab: &LabRun,
    event: &str,
    fields: &BTreeMap<String, String>,
    count: usize,
    limit: Duration,
    from: usize,
) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for (key, value) in fields {
        wanted.insert(key.clone(), fill(lab, value)?);
    }
    let mut left = count;
    let shown = wanted.iter().map(|(k, v)| format!(" {k}={v}")).collect::<String>();
    let what = if count == 1 { format!("{event}{shown}") } else { format!("{count} x {event}{shown}") };
    lab.wait(&what, limit, from, |entry| {
        let value = serde_json::to_value(entry).ok()?;
        let is = value["event"] == event && wanted.iter().all(|(key, want)| says(&value, key, want));
        left -= usize::from(is && left > 0);
        (left == 0).then_some(())
    })
    .await
}

/// Does this field (`params.VolumeId` goes down) have this value? `*` and `?` stand for anything.
fn says(value: &serde_json::Value, key: &str, want: &str) -> bool {
    let found = key.split('.').try_fold(value, |value, part| value.get(part));
    match found {
        Some(serde_json::Value::String(text)) => matches(want, text),
        Some(other) => matches(want, &other.to_string()),
        None => false,
    }
}

async fn run(lab: &LabRun, step: &Step, line: &str, on: &str, limit: Duration) -> Result<()> {
    let line = fill(lab, line)?;
    let mut step = step.clone();
    for text in
        [&mut step.stdout_contains, &mut step.stdout_lacks, &mut step.stdout_matches].into_iter().flatten()
    {
        *text = fill(lab, text)?;
    }
    let step = &step;
    let deadline = Instant::now() + limit;
    let trying = async {
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
            let held = match shell(lab, on, &line, left).await {
                Ok(ran) => expect(&line, &ran, step),
                Err(error) => Err(error),
            };
            if held.is_ok() || !step.until || Instant::now() >= deadline {
                return held;
            }
            // `until` asks a program that tells nobody when its answer changes.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let shown: String = line.lines().next().unwrap_or_default().chars().take(80).collect();
    let what = format!("`{shown}` on {on}");
    lab.unless_trouble(lab.story.wait(&what, limit + Duration::from_secs(5), trying)).await??;
    lab.story.tell(if on == "clients" { on } else { "lab" }, format!("as it should be: {what}"));
    Ok(())
}

async fn shell(lab: &LabRun, on: &str, line: &str, limit: Duration) -> Result<Ran> {
    let mut command =
        if on == "clients" { lab.clients.command("sh") } else { lab.command(&lab.find(on)?, "sh")? };
    command.args(["-c", line]);
    ran(command, limit).await
}

fn expect(line: &str, ran: &Ran, step: &Step) -> Result<()> {
    let wanted = step.exit.unwrap_or(0);
    let mut wrong = Vec::new();
    if ran.code != wanted {
        wrong.push(format!("its exit status is {} and not {wanted}", ran.code));
    }
    if let Some(text) = step.stdout_contains.as_ref().filter(|text| !ran.out.contains(text.as_str())) {
        wrong.push(format!("its output does not contain {text:?}"));
    }
    if let Some(text) = step.stdout_lacks.as_ref().filter(|text| ran.out.contains(text.as_str())) {
        wrong.push(format!("its output contains {text:?}"));
    }
    if let Some(pattern) = step.stdout_matches.as_ref().filter(|p| !ran.out.lines().any(|l| matches(p, l))) {
        wrong.push(format!("no line of its output is like {pattern:?}"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!(
        "`{line}`: {}\n  stdout: {}\n  stderr: {}",
        wrong.join(", "),
        ran.out.trim_end(),
        ran.err.trim_end()
    )))
}

/// `*` stands for any text, `?` for one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Fills in what only the running lab knows: `{slot.1.volume}`, `{slot.1.eni}`, `{slot.1.address}`, `{slot.1.holder}`,
/// `{instance.0}`.
fn fill(lab: &LabRun, text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match known(lab, name)? {
            Some(value) => out += &value,
            None => out += &format!("{{{name}}}"),
        }
        rest = tail;
    }
    Ok(out + rest)
}

fn known(lab: &LabRun, name: &str) -> Result<Option<String>> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["instance", n] => Ok(Some(lab.find(&format!("instance {n}"))?.id)),
        ["slot", n, what] => {
            let slot = n.parse().ok().and_then(|n: u32| lab.slots.iter().find(|s| s.id == n));
            let slot = slot.ok_or_else(|| Error::new(format!("{{{name}}}: there is no slot {n}")))?;
            match *what {
                "volume" => Ok(Some(slot.volume.clone())),
                "eni" => Ok(Some(slot.eni.clone())),
                "address" => Ok(Some(slot.address.to_string())),
                "holder" => Ok(Some(lab.find(&format!("slot {n}"))?.id)),
                other => {
                    Err(Error::new(format!("{{{name}}}: {other:?} is not volume, eni, address or holder")))
                }
            }
        }
        _ => Ok(None),
    }
}

fn slot_of(lab: &LabRun, id: u32) -> Result<&SlotMade> {
    lab.slots.iter().find(|slot| slot.id == id).ok_or_else(|| Error::new(format!("there is no slot {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_whole_lines() {
        assert!(matches("a*c?", "abbcd") && matches("*", "") && matches("x", "x") && matches("*b*", "abc"));
        assert!(!matches("a*c?", "abbc") && !matches("x", "xy") && !matches("?", ""));
    }

    #[test]
    fn a_field_is_found_below_another() {
        let value = serde_json::json!({"event": "call", "params": {"VolumeId": "vol-1"}, "device_index": 1});
        assert!(says(&value, "params.VolumeId", "vol-*") && says(&value, "device_index", "1"));
        assert!(!says(&value, "params.InstanceId", "*"));
    }

    #[test]
    fn every_expectation_that_fails_is_named() {
        let ran = Ran { code: 1, out: "one\n".into(), err: "bad".into() };
        let step = Step {
            stdout_contains: Some("two".into()),
            stdout_lacks: Some("one".into()),
            stdout_matches: Some("t*".into()),
            ..Step::default()
        };
        let said = expect("x", &ran, &step).unwrap_err().to_string();
        for part in [
            "exit status is 1",
            "does not contain \"two\"",
            "contains \"one\"",
            "is like \"t*\"",
            "stderr: bad",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}
