//! The whole product of tag, probe, claim and origin, each cell judged by what the consent may mean; then the sentences.

use super::*;
use crate::disk::probe::{Sample, probe};

const MINE: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "aaaaaaaa-2222-3333-4444-555555555555";
const FRESH: &str = "99999999-2222-3333-4444-555555555555";
const VOLUME: &str = "vol-00000000000000001";
const SIZE: u64 = 1 << 30;

const GARBAGE: [&str; 10] = [
    "",
    " xfs",
    "xfs ",
    "yes",
    "btrfs",
    "XFS",
    "started",
    "started:xfs",
    "done:xfs:not-a-uuid",
    "begun:xfs:11111111-2222-3333-4444-555555555555",
];

pub(in crate::disk) fn volume(format: Option<&str>, from_snapshot: bool) -> VolumeSeen {
    VolumeSeen {
        id: VOLUME.parse().unwrap(),
        name: None,
        cluster: None,
        zone: "z".parse().unwrap(),
        state: "in-use".into(),
        size: 1,
        multi_attach: false,
        from_snapshot,
        format: format.map(str::to_owned),
        attachments: vec![],
    }
}

fn id(text: &str) -> FsUuid {
    text.parse().unwrap()
}

fn known(volume: &str, fs: &str, uuid: &str) -> DiskRecord {
    DiskRecord { volume: volume.parse().unwrap(), fs: fs.to_owned().into(), uuid: id(uuid) }
}

/// A device with these bytes, and zeros everywhere else.
fn probed(written: &[(u64, Vec<u8>)]) -> Probed {
    let read = |from: u64, length: u64| {
        let mut bytes = vec![0; length as usize];
        for (at, data) in written.iter().filter(|(at, _)| (from..from + length).contains(at)) {
            let at = (at - from) as usize;
            let end = bytes.len().min(at + data.len());
            bytes[at..end].copy_from_slice(&data[..end - at]);
        }
        Ok::<_, ()>(bytes)
    };
    probe(&Sample::read(SIZE, read).unwrap())
}

fn blank() -> Probed {
    probed(&[])
}

fn in_progress(uuid: &str) -> Probed {
    let mut head = vec![0; 512];
    head[..8].copy_from_slice(b"XFSB\0\0\x10\0");
    let hex: String = uuid.chars().filter(|c| *c != '-').collect();
    head[32..48].copy_from_slice(&u128::from_str_radix(&hex, 16).unwrap().to_be_bytes());
    head[126] = 1;
    probed(&[(0, head)])
}

/// The start is blank; copies of these XFS superblocks lie where mkfs puts them.
fn remains(uuids: &[&str]) -> Probed {
    let copy = |uuid: &str| {
        let mut copy = vec![0; 1024];
        copy[..4].copy_from_slice(b"XFSB");
        let hex: String = uuid.chars().filter(|c| *c != '-').collect();
        copy[32..48].copy_from_slice(&u128::from_str_radix(&hex, 16).unwrap().to_be_bytes());
        copy
    };
    let copies = uuids.iter().enumerate().map(|(n, uuid)| (SIZE / (4 << n), copy(uuid)));
    probed(&copies.collect::<Vec<_>>())
}

fn complete(fs: Fs, uuid: &str) -> Probed {
    Probed::FileSystem { fs, uuid: id(uuid), bytes: SIZE }
}

fn plan(tag: Option<&str>, known: Option<&DiskRecord>, snapshot: bool, probed: Probed) -> DiskPlan {
    super::plan(&volume(tag, snapshot), known, probed, SIZE, id(FRESH))
}

/// One column of the table.
fn tags() -> Vec<Option<String>> {
    let mut tags = vec![None, Some("xfs".to_owned()), Some("ext4".to_owned())];
    for word in ["started", "done"] {
        for fs in ["xfs", "ext4"] {
            tags.extend([MINE, OTHER].map(|uuid| Some(format!("{word}:{fs}:{uuid}"))));
        }
    }
    tags.extend(GARBAGE.map(|text| Some(text.to_owned())));
    tags
}

fn contents() -> Vec<Probed> {
    let mut contents = vec![
        blank(),
        in_progress(MINE),
        in_progress(OTHER),
        Probed::FileSystem { fs: Fs::Xfs, uuid: id(MINE), bytes: SIZE + 1 },
        remains(&[MINE]),
        remains(&[MINE, OTHER]),
        Probed::Foreign("LVM physical volume"),
        Probed::Unreadable("read 4096 bytes at 0: Input/output error".into()),
    ];
    for fs in [Fs::Xfs, Fs::Ext4] {
        contents.extend([MINE, OTHER].map(|uuid| complete(fs, uuid)));
    }
    contents
}

fn records() -> [Option<DiskRecord>; 5] {
    let elsewhere = "vol-00000000000000002";
    [
        None,
        Some(known(VOLUME, "xfs", MINE)),
        Some(known(VOLUME, "xfs", OTHER)),
        Some(known(VOLUME, "ext4", MINE)),
        Some(known(elsewhere, "xfs", MINE)),
    ]
}

/// What formatting needs, word for word: a tag that was not spent to its end, a claim without any file system, no
/// snapshot, and a device on which nothing is or what this very tag began.
fn may_format(tag: Option<&str>, known: Option<&DiskRecord>, snapshot: bool, probed: &Probed) -> bool {
    let allowed = tag.is_some_and(|t| t == "xfs" || t == "ext4");
    let started = tag.is_some_and(|t| t.starts_with("started:") && t.len() > 36);
    let nothing = match probed {
        Probed::Blank(_) => allowed || started,
        Probed::InProgress { uuid, .. } => tag == Some(&format!("started:xfs:{uuid}")),
        Probed::Remains { found, .. } => {
            found.iter().all(|left| tag == Some(&format!("started:{}:{}", left.fs, left.uuid)))
        }
        _ => false,
    };
    nothing && known.is_none() && !snapshot
}

/// A complete file system is mounted as what it is, unless the claim remembers another on this very volume.
fn may_mount(known: Option<&DiskRecord>, probed: &Probed) -> bool {
    let Probed::FileSystem { fs, uuid, bytes } = probed else { return false };
    let contradicts =
        |disk: &DiskRecord| disk.volume.to_string() == VOLUME && (disk.fs != *fs || disk.uuid != *uuid);
    *bytes <= SIZE && !known.is_some_and(contradicts)
}

/// The code of a fault, or none where the operator's configuration is what is wrong.
fn refused(
    tag: Option<&str>,
    known: Option<&DiskRecord>,
    snapshot: bool,
    probed: &Probed,
) -> Option<FaultCode> {
    match probed {
        Probed::Unreadable(_) => Some(FaultCode::Unreadable),
        Probed::Foreign(_) => Some(FaultCode::Foreign),
        Probed::FileSystem { bytes, .. } if *bytes > SIZE => Some(FaultCode::Smaller),
        Probed::FileSystem { .. } => Some(FaultCode::Replaced),
        Probed::Remains { found, .. }
            if found.iter().any(|left| tag != Some(&format!("started:{}:{}", left.fs, left.uuid))) =>
        {
            Some(FaultCode::Foreign)
        }
        Probed::InProgress { uuid, .. } if tag != Some(&format!("started:xfs:{uuid}")) => {
            Some(FaultCode::Unfinished)
        }
        _ if known.is_some() => Some(FaultCode::Vanished),
        _ if snapshot => Some(FaultCode::Snapshot),
        _ if tag.is_some() => Some(FaultCode::Vanished),
        _ => None,
    }
}

#[test]
fn every_cell_of_the_table_is_as_the_rule_says() {
    let mut cells = [0; 4];
    for tag in tags() {
        let tag = tag.as_deref();
        for (known, snapshot) in records().iter().flat_map(|known| [(known, false), (known, true)]) {
            let known = known.as_ref();
            for probed in contents() {
                let cell = format!("tag {tag:?}, claim {known:?}, snapshot {snapshot}, device {probed:?}");
                let got = plan(tag, known, snapshot, probed.clone());
                let garbage = tag.is_some_and(|tag| GARBAGE.contains(&tag));
                let expected = if garbage {
                    3
                } else if may_format(tag, known, snapshot, &probed) {
                    0
                } else if may_mount(known, &probed) {
                    1
                } else if refused(tag, known, snapshot, &probed).is_some() {
                    2
                } else {
                    3
                };
                cells[expected] += 1;
                match (expected, got) {
                    (0, DiskPlan::Format(_, consent)) => {
                        let spent = tag.unwrap().split(':').nth(2);
                        let fs = if tag.unwrap().contains("xfs") { Fs::Xfs } else { Fs::Ext4 };
                        assert_eq!(consent.fs(), fs, "{cell}");
                        assert_eq!(consent.uuid(), id(spent.unwrap_or(FRESH)), "{cell}");
                        assert_eq!(consent.is_spent(), spent.is_some(), "{cell}");
                    }
                    (1, DiskPlan::Mount { fs, uuid, confirm }) => {
                        assert_eq!(complete(fs, &uuid.to_string()), probed, "mounted as what it is: {cell}");
                        // `done` follows on `started` of this very file system, and on nothing else.
                        let begun = tag == Some(&format!("started:{fs}:{uuid}"));
                        let done = confirm.map(|tag| tag.to_string());
                        assert_eq!(done, begun.then(|| format!("done:{fs}:{uuid}")), "{cell}");
                    }
                    (2, DiskPlan::Fault(code, _)) => {
                        assert_eq!(Some(code), refused(tag, known, snapshot, &probed), "{cell}");
                    }
                    (3, DiskPlan::Configuration(_)) => {}
                    (_, got) => panic!("{cell}: {got:?}"),
                }
            }
        }
    }
    println!(
        "{} cells: {} format, {} mount, {} a fault, {} configuration",
        cells.iter().sum::<i32>(),
        cells[0],
        cells[1],
        cells[2],
        cells[3]
    );
    assert!(cells.iter().all(|n| *n > 0), "each outcome is in the table: {cells:?}");
}

fn sentence(plan: DiskPlan) -> String {
    match plan {
        DiskPlan::Fault(code, sentence) => format!("{code}: {sentence}"),
        DiskPlan::Configuration(sentence) => sentence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_sentences_say_what_was_seen_and_what_to_do() {
    let started = format!("started:xfs:{OTHER}");
    let done = format!("done:xfs:{MINE}");
    let here = known(VOLUME, "xfs", MINE);
    let elsewhere = known("vol-00000000000000002", "xfs", MINE);
    let cells = [
        (
            plan(None, None, false, blank()),
            "vol-00000000000000001 shows no file system and nobody allowed to make one; where it may be formatted: aws ec2 create-tags --resources vol-00000000000000001 --tags Key=berth:format,Value=xfs",
        ),
        (
            plan(Some("yes"), None, false, blank()),
            "the tag berth:format=yes of vol-00000000000000001 is none of xfs, ext4, started:<fs>:<uuid>, done:<fs>:<uuid>",
        ),
        (
            plan(Some("xfs"), None, false, Probed::Foreign("LVM physical volume")),
            "foreign: vol-00000000000000001 has the signature of LVM physical volume; berth mounts xfs and ext4 and formats nothing over data",
        ),
        (
            plan(Some("xfs"), None, false, Probed::Unreadable("read 4096 bytes at 0: EIO".into())),
            "unreadable: vol-00000000000000001 cannot be read: read 4096 bytes at 0: EIO",
        ),
        (
            plan(Some(&started), None, false, in_progress(MINE)),
            "unfinished: vol-00000000000000001 has an xfs 11111111-2222-3333-4444-555555555555 that mkfs never completed, and its tag berth:format does not say that berth began it",
        ),
        (
            plan(Some("xfs"), None, false, remains(&[OTHER])),
            "foreign: the start of vol-00000000000000001 was wiped, but there is the xfs aaaaaaaa-2222-3333-4444-555555555555 at byte 268435456: its data may be there yet, and berth formats nothing over data",
        ),
        (
            super::plan(&volume(Some("xfs"), false), None, blank(), 0, id(FRESH)),
            "empty-device: the device of vol-00000000000000001 has 0 bytes: look at the volume in EC2, and at dmesg",
        ),
        (
            plan(Some("xfs"), None, true, blank()),
            "snapshot: vol-00000000000000001 was made from a snapshot and shows no file system: it is never formatted",
        ),
        (
            plan(Some(&done), None, false, blank()),
            "vanished: vol-00000000000000001 shows no file system, its tag berth:format says that it had the xfs 11111111-2222-3333-4444-555555555555",
        ),
        (
            plan(Some("xfs"), Some(&here), false, blank()),
            "vanished: vol-00000000000000001 shows no file system, the claim remembers the xfs 11111111-2222-3333-4444-555555555555 on it",
        ),
        (
            plan(Some("xfs"), Some(&elsewhere), false, blank()),
            "vanished: vol-00000000000000001 shows no file system, the claim remembers the xfs 11111111-2222-3333-4444-555555555555 on vol-00000000000000002: bring that volume back under this Name, or restore its data to vol-00000000000000001",
        ),
        (
            plan(None, Some(&here), false, complete(Fs::Ext4, OTHER)),
            "replaced: vol-00000000000000001 has the ext4 aaaaaaaa-2222-3333-4444-555555555555, the claim remembers the xfs 11111111-2222-3333-4444-555555555555 on it",
        ),
        (
            super::plan(&volume(None, false), None, complete(Fs::Xfs, MINE), SIZE - 1, id(FRESH)),
            "smaller: vol-00000000000000001 has 1073741823 bytes, the file system 11111111-2222-3333-4444-555555555555 on it claims 1073741824",
        ),
    ];
    for (plan, expected) in cells {
        assert_eq!(sentence(plan), expected);
    }
}

#[test]
fn the_tag_is_read_as_it_is_written() {
    for text in ["xfs".to_owned(), "ext4".into(), format!("started:ext4:{MINE}"), format!("done:xfs:{OTHER}")]
    {
        assert_eq!(FormatTag::read(&text).unwrap().to_string(), text);
    }
    let dashes = format!("started:xfs:{}", "-".repeat(36));
    for text in GARBAGE.into_iter().chain([dashes.as_str()]) {
        assert_eq!(FormatTag::read(text), None, "{text}");
    }
    // As a probe shows it, whoever wrote it.
    let shouted = format!("started:xfs:{}", OTHER.to_uppercase());
    assert_eq!(FormatTag::read(&shouted), Some(FormatTag::Started(Fs::Xfs, id(OTHER))));
}
