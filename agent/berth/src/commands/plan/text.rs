//! The plan as a page for people: what this instance would do, and then each slot of the zone.

use super::is_mine;
use crate::commands::page::Page;
use crate::units;
use berth_lifecycle::stories::preview::{Preview, SlotPreview};
use berth_plan::records::State;
use berth_plan::slot::Slot;
use berth_plan::slot::choose::Choice;
use berth_plan::{InstanceId, Zone};

pub(super) fn text(preview: &Preview, cluster: &str, me: &InstanceId, zone: &Zone) -> String {
    let mut page = Page::default();
    page.paragraph(&format!("{me} would {}", preview.sentence()));
    for note in &preview.notes {
        page.item("  - ", note);
    }
    for slot in &preview.slots {
        page.blank();
        let mark = if preview.slot() == Some(slot.slot.id) { "  <- this one" } else { "" };
        page.row(&format!("slot {}", slot.slot.id), &format!("{}{mark}", stands(slot, me)));
        for (label, text) in rows(slot) {
            page.row(&format!("  {label}"), &text);
        }
    }
    page.blank();
    let count = preview.slots.len();
    page.paragraph(&format!("slots of cluster {cluster} in {zone}: {count}; nothing was changed"));
    page.text()
}

/// Whether it could be taken.
fn stands(of: &SlotPreview, me: &InstanceId) -> String {
    match &of.vacancy {
        Ok(_) if is_mine(of, me) => "this instance's".to_owned(),
        Err(reason) if is_mine(of, me) => format!("this instance's, but {reason}"),
        Ok(Choice::Succeed(_, going)) => {
            let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
            format!("vacant as soon as {} has let go of it", who.join(", "))
        }
        Ok(_) => "vacant".to_owned(),
        Err(reason) => format!("not vacant: {reason}"),
    }
}

/// What it consists of and who has it.
fn rows(of: &SlotPreview) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(volume) = &of.slot.volume {
        let disk = of.disk.as_ref().map_or_else(String::new, |disk| format!("; {disk}"));
        rows.push(("volume", format!("{}, {}, {}{disk}", volume.id, units::size(volume.size), volume.state)));
        rows.extend(twins(&of.slot, volume.id.as_str()).map(|twin| ("volume", twin)));
    }
    if let Some(eni) = &of.slot.eni {
        let addresses: Vec<String> = eni.addresses.iter().map(ToString::to_string).collect();
        rows.push(("interface", format!("{}, {}", eni.id, addresses.join(" "))));
        rows.extend(twins(&of.slot, eni.id.as_str()).map(|twin| ("interface", twin)));
    }
    rows.push(("claim", claim(of)));
    let holders = of.holders.iter().map(|(id, state)| format!("{id}: {state} ({})", witnesses(of, id)));
    let holders: Vec<String> = holders.collect();
    if !holders.is_empty() {
        rows.push(("holders", holders.join("; ")));
    }
    rows.extend(of.records.intent.iter().map(|intent| ("intent", format!("of {}", intent.instance))));
    if let Some(registration) = &of.registration {
        let host = registration.endpoints.first();
        let at = host.map_or_else(|| "an unknown host".to_owned(), |(host, port)| format!("{host}:{port}"));
        rows.push(("registered", format!("at {at}")));
    }
    rows
}

/// The others that have the Name of this one.
fn twins<'a>(slot: &'a Slot, id: &'a str) -> impl Iterator<Item = String> + 'a {
    let twins = slot.defect.iter().flat_map(move |defect| defect.twins_of(id));
    twins.map(|twin| format!("{twin}, which has the same Name"))
}

fn claim(of: &SlotPreview) -> String {
    let Some(claim) = of.records.claim.as_ref().map(|claim| &claim.value) else {
        let is_unreadable = of.records.unreadable.is_some();
        return if is_unreadable { "a record that cannot be read" } else { "never claimed" }.to_owned();
    };
    match (claim.state, claim.names()) {
        (State::Held, Some(holder)) if claim.started.is_some() => format!("held and started by {holder}"),
        (State::Held, Some(holder)) => format!("held by {holder}"),
        (State::Unfinished, Some(holder)) => {
            format!("left unfinished by {holder} ({})", claim.left.join(", "))
        }
        _ => "free".to_owned(),
    }
}

/// What names an instance as a holder.
fn witnesses(of: &SlotPreview, id: &InstanceId) -> String {
    let claim = of.records.claim.as_ref().and_then(|claim| claim.value.names()) == Some(id);
    let volume = of.slot.volume.iter().flat_map(|v| &v.attachments).any(|a| a.instance == *id);
    let eni = of.slot.eni.as_ref().and_then(|eni| eni.attachment.as_ref()?.instance.as_ref()) == Some(id);
    let by = [("claim", claim), ("volume", volume), ("interface", eni)];
    let by: Vec<&str> = by.iter().filter(|(_, names)| *names).map(|(by, _)| *by).collect();
    format!("by {}", by.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_lifecycle::stories::preview::Would;
    use berth_plan::ec2::{EniSeen, VolumeAttachment, VolumeSeen};
    use berth_plan::records::{Claim, Holder, Intent, SlotRecords, VERSION, Versioned};
    use berth_plan::service::Registration;
    use berth_plan::slot::Defect;
    use berth_plan::slot::choose::Reason;
    use berth_plan::{BrokerId, StoreTime, UnixTime, disk};
    use std::fs;
    use std::path::Path;

    fn id(n: u32) -> BrokerId {
        BrokerId::new(n).unwrap()
    }

    fn instance(n: u32) -> InstanceId {
        format!("i-0000000000000000{n}").parse().unwrap()
    }

    /// Slot `n` with both resources, attached to this instance.
    fn slot(n: u32, size: u32, on: Option<&InstanceId>) -> SlotPreview {
        let attached = |instance: &InstanceId| VolumeAttachment {
            instance: instance.clone(),
            device: "/dev/sdf".into(),
            state: "attached".into(),
            delete_on_termination: false,
        };
        let volume = VolumeSeen {
            id: format!("vol-0000000000000000{n}").parse().unwrap(),
            name: Some(format!("KAFKA-{n}")),
            cluster: Some("orders".into()),
            zone: "eu-central-1a".parse().unwrap(),
            state: if on.is_some() { "in-use" } else { "available" }.into(),
            size,
            multi_attach: false,
            from_snapshot: false,
            format: Some("xfs".into()),
            attachments: on.map(attached).into_iter().collect(),
        };
        let eni = EniSeen {
            id: format!("eni-0000000000000000{n}").parse().unwrap(),
            name: Some(format!("KAFKA-{n}")),
            cluster: Some("orders".into()),
            zone: "eu-central-1a".parse().unwrap(),
            subnet: "subnet-00000000000000001".parse().unwrap(),
            mac: "06:00:00:00:00:50".parse().unwrap(),
            addresses: vec![format!("10.0.1.5{n}").parse().unwrap()],
            status: "available".into(),
            requester_managed: false,
            kind: "interface".into(),
            attachment: None,
        };
        SlotPreview {
            disk: Some(disk::preview::preview(&volume, None)),
            slot: Slot { id: id(n), eni: Some(eni), volume: Some(volume), defect: None },
            records: SlotRecords::default(),
            registration: None,
            holders: Default::default(),
            vacancy: Ok(Choice::Take(id(n))),
        }
    }

    fn held(of: SlotPreview, by: &InstanceId, state: &str) -> SlotPreview {
        let holder = Holder {
            instance: by.clone(),
            boot: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            zone: "eu-central-1a".parse().unwrap(),
            volume: of.slot.volume.as_ref().map(|volume| volume.id.clone()),
            eni: None,
        };
        let boot = holder.boot.clone();
        let value = Claim::vacant().taken(holder, UnixTime::default()).started(&boot, UnixTime::default());
        let endpoints = vec![(format!("10.0.1.5{}", of.slot.id), 9092)];
        SlotPreview {
            records: SlotRecords {
                claim: Some(Versioned {
                    value,
                    revision: berth_plan::records::Revision::of_store(0),
                    changed: StoreTime::default(),
                }),
                ..SlotRecords::default()
            },
            registration: Some(Registration {
                id: of.slot.id,
                incarnation: berth_plan::service::Incarnation::of_register(7),
                endpoints,
            }),
            holders: [(by.clone(), state.to_owned())].into(),
            ..of
        }
    }

    fn intended(of: SlotPreview, by: &InstanceId) -> SlotPreview {
        let intent = Intent {
            v: VERSION,
            instance: by.clone(),
            boot: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            token: "t".parse().unwrap(),
        };
        let records = SlotRecords { intent: Some(intent), ..of.records };
        SlotPreview { records, vacancy: Err(Reason::Intended(by.clone())), ..of }
    }

    /// Another volume has the Name of this slot's.
    fn doubled(of: SlotPreview) -> SlotPreview {
        let ids = vec![of.slot.volume.as_ref().unwrap().id.to_string(), "vol-00000000000000099".to_owned()];
        let defect = Defect::Twice(format!("KAFKA-{}", of.slot.id), ids);
        let vacancy = Err(Reason::Defective(defect.clone()));
        SlotPreview { slot: Slot { defect: Some(defect), ..of.slot }, vacancy, ..of }
    }

    fn others() -> Vec<SlotPreview> {
        let running = held(slot(0, 100, Some(&instance(2))), &instance(2), "running, InService");
        vec![
            SlotPreview { vacancy: Err(Reason::Held(format!("{} is running", instance(2)))), ..running },
            intended(slot(1, 2048, None), &instance(3)),
        ]
    }

    fn preview(slots: Vec<SlotPreview>, would: Would, notes: &[&str]) -> Preview {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        Preview { slots, would, refusal: None, notes }
    }

    fn cases() -> Vec<(&'static str, Preview)> {
        let mut vacant = others();
        vacant.push(slot(4, 100, None));
        let mut mine = others();
        mine.push(held(slot(4, 100, Some(&instance(1))), &instance(1), "this instance"));
        let mut going = others();
        let ends = held(slot(4, 100, Some(&instance(5))), &instance(5), "shutting-down, Terminating:Proceed");
        let succeed = Choice::Succeed(id(4), vec![instance(5)]);
        going.push(SlotPreview { vacancy: Ok(succeed.clone()), ..ends });
        vec![
            ("takes", preview(vacant, Would::Go(Choice::Take(id(4))), &[])),
            ("resumes", preview(mine, Would::Go(Choice::Resume(id(4))), &[])),
            (
                "succeeds",
                preview(going, Would::Go(succeed), &["what is attached here of slot 9 would be detached"]),
            ),
            ("waits", preview(others(), Would::Wait, &[])),
            ("one-name-twice", preview(vec![doubled(slot(4, 100, None))], Would::Wait, &[])),
            (
                "sees-nothing",
                preview(
                    vec![],
                    Would::GiveUp("no slot of cluster orders is in eu-central-1a".into(), 78),
                    &[],
                ),
            ),
        ]
    }

    /// tests/golden/plan: a page a case. `BERTH_GOLDEN=write` writes them anew.
    #[test]
    fn each_case_has_its_page() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan");
        let zone = "eu-central-1a".parse().unwrap();
        let mut wrong = Vec::new();
        for (name, preview) in cases() {
            let page = text(&preview, "orders", &instance(1), &zone);
            let expected = pages.join(name).with_extension("txt");
            if std::env::var_os("BERTH_GOLDEN").is_some_and(|what| what == "write") {
                fs::create_dir_all(&pages).unwrap();
                fs::write(&expected, &page).unwrap();
            }
            if fs::read_to_string(&expected).unwrap_or_default() != page {
                wrong.push(format!("{}:\n{page}", expected.display()));
            }
            let too_long = page.lines().find(|line| line.chars().count() > crate::commands::page::WIDTH);
            assert_eq!(too_long, None, "{name}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
