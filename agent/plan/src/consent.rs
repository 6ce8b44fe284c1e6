//! Formatting needs consent, and consent is spent.
//!
//! The consent is one tag on the volume, `berth:format`: `xfs` (or `ext4`), then `started:xfs:<uuid>`, then
//! `done:xfs:<uuid>`. Formatting takes a [`FormatConsent`], and only [`disk`] makes one.

use crate::claim::DiskRecord;
use crate::picture::VolumeSeen;
use crate::probe::{BlankDevice, Fs, Probed};
use std::fmt;

/// The tag's key.
pub const TAG: &str = "berth:format";

/// What the tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatTag {
    /// A person allows formatting, once.
    Allowed(Fs),
    /// berth spent the consent and began.
    Started(Fs, String),
    /// The file system was seen complete.
    Done(Fs, String),
}

impl FormatTag {
    /// Reads the tag's value.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(fs) = Fs::named(text) {
            return Some(Self::Allowed(fs));
        }
        let (word, rest) = text.split_once(':')?;
        let (fs, uuid) = rest.split_once(':')?;
        let fs = Fs::named(fs)?;
        let well_formed = uuid.len() == 36 && uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        match word {
            _ if !well_formed => None,
            "started" => Some(Self::Started(fs, uuid.to_owned())),
            "done" => Some(Self::Done(fs, uuid.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for FormatTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(fs) => fs.fmt(f),
            Self::Started(fs, uuid) => write!(f, "started:{fs}:{uuid}"),
            Self::Done(fs, uuid) => write!(f, "done:{fs}:{uuid}"),
        }
    }
}

/// The right to format one device once, with this UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatConsent {
    fs: Fs,
    uuid: String,
    spent: bool,
}

impl FormatConsent {
    /// What to make.
    pub fn fs(&self) -> Fs {
        self.fs
    }

    /// The UUID that the file system gets.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Whether the tag says `started` already.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The tag before the format.
    pub fn started(&self) -> FormatTag {
        FormatTag::Started(self.fs, self.uuid.clone())
    }
}

/// What to do with the slot's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskPlan {
    /// A file system is there: check, grow, mount it as what it is.
    Mount {
        /// Which.
        fs: Fs,
        /// Its UUID.
        uuid: String,
        /// The tag to write after it was seen complete, where the tag does not say it yet.
        confirm: Option<FormatTag>,
    },
    /// Make one.
    Format(BlankDevice, FormatConsent),
    /// The operator can mend this: the boot ends.
    Configuration(String),
    /// Only this slot is concerned: it is passed over.
    Fault(&'static str, String),
}

/// Decides from the volume as EC2 shows it, the file system that the claim remembers, and a probe of the open device.
/// `fresh` is the UUID that a new file system would get; `size` the device's bytes.
pub fn disk(
    volume: &VolumeSeen,
    known: Option<&DiskRecord>,
    probed: Probed,
    size: u64,
    fresh: &str,
) -> DiskPlan {
    let tag = match volume.format.as_deref() {
        None => None,
        Some(text) => match FormatTag::read(text) {
            Some(tag) => Some(tag),
            None => {
                let sentence = format!(
                    "the tag {TAG}={text} of {} is none of xfs, ext4, started:<fs>:<uuid>, done:<fs>:<uuid>",
                    volume.id
                );
                return DiskPlan::Configuration(sentence);
            }
        },
    };
    let known = known.filter(|disk| disk.volume == volume.id);
    match probed {
        Probed::Unreadable(why) => {
            DiskPlan::Fault("unreadable", format!("{} cannot be read: {why}", volume.id))
        }
        Probed::FileSystem { bytes, uuid, .. } if bytes > size => DiskPlan::Fault(
            "smaller",
            format!("{} has {size} bytes, the file system {uuid} on it claims {bytes}", volume.id),
        ),
        Probed::FileSystem { fs, uuid, .. } => complete(volume, known, tag, fs, uuid),
        Probed::Foreign(what) => DiskPlan::Fault(
            "foreign",
            format!(
                "{} bears the signature of {what}; berth mounts xfs and ext4 and formats nothing over data",
                volume.id
            ),
        ),
        Probed::Blank(blank) => empty(volume, known, tag, blank, fresh, "no file system"),
        Probed::InProgress { uuid, blank } => match &tag {
            Some(FormatTag::Started(_, mine)) if *mine == uuid => {
                empty(volume, known, tag, blank, fresh, "an unfinished xfs")
            }
            _ => DiskPlan::Fault(
                "unfinished",
                format!(
                    "{} bears an xfs {uuid} that mkfs never completed, and its tag {TAG} does not say that berth began it",
                    volume.id
                ),
            ),
        },
    }
}

fn complete(
    volume: &VolumeSeen,
    known: Option<&DiskRecord>,
    tag: Option<FormatTag>,
    fs: Fs,
    uuid: String,
) -> DiskPlan {
    if let Some(known) = known
        && known.uuid != uuid
    {
        let sentence = format!(
            "{} bears the {fs} {uuid}, the claim remembers the {} {} on it",
            volume.id, known.fs, known.uuid
        );
        return DiskPlan::Fault("replaced", sentence);
    }
    let confirm = match tag {
        Some(FormatTag::Started(of, begun)) if of == fs && begun == uuid => Some(FormatTag::Done(fs, begun)),
        _ => None,
    };
    DiskPlan::Mount { fs, uuid, confirm }
}

fn empty(
    volume: &VolumeSeen,
    known: Option<&DiskRecord>,
    tag: Option<FormatTag>,
    blank: BlankDevice,
    fresh: &str,
    what: &str,
) -> DiskPlan {
    let id = &volume.id;
    if let Some(known) = known {
        let sentence =
            format!("{id} shows {what}, the claim remembers the {} {} on it", known.fs, known.uuid);
        return DiskPlan::Fault("vanished", sentence);
    }
    if volume.from_snapshot {
        return DiskPlan::Fault(
            "snapshot",
            format!("{id} was made from a snapshot and shows {what}: it is never formatted"),
        );
    }
    match tag {
        Some(FormatTag::Allowed(fs)) => {
            DiskPlan::Format(blank, FormatConsent { fs, uuid: fresh.to_owned(), spent: false })
        }
        Some(FormatTag::Started(fs, uuid)) => {
            DiskPlan::Format(blank, FormatConsent { fs, uuid, spent: true })
        }
        Some(FormatTag::Done(fs, uuid)) => DiskPlan::Fault(
            "vanished",
            format!("{id} shows {what}, its tag {TAG} says that it bore the {fs} {uuid}"),
        ),
        None => DiskPlan::Configuration(format!(
            "{id} shows {what} and nobody allowed to make one; where it may be formatted: aws ec2 create-tags --resources {id} --tags Key={TAG},Value=xfs"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Sample, probe};

    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    const FRESH: &str = "99999999-2222-3333-4444-555555555555";

    fn volume(format: Option<&str>, from_snapshot: bool) -> VolumeSeen {
        VolumeSeen {
            id: "vol-00000000000000001".parse().unwrap(),
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

    fn blank() -> Probed {
        probe(&Sample { size: 4096, head: vec![0; 4096], tail: vec![0; 4096], error: None })
    }

    fn xfs(uuid: &str) -> Probed {
        Probed::FileSystem { fs: Fs::Xfs, uuid: uuid.into(), bytes: 100 }
    }

    fn known(uuid: &str) -> DiskRecord {
        DiskRecord { volume: "vol-00000000000000001".parse().unwrap(), fs: "xfs".into(), uuid: uuid.into() }
    }

    #[test]
    fn a_blank_device_is_formatted_only_with_consent() {
        match disk(&volume(Some("xfs"), false), None, blank(), 100, FRESH) {
            DiskPlan::Format(_, consent) => assert_eq!((consent.uuid(), consent.is_spent()), (FRESH, false)),
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(disk(&volume(None, false), None, blank(), 100, FRESH), DiskPlan::Configuration(s) if s.contains("create-tags"))
        );
    }

    #[test]
    fn a_format_that_was_begun_goes_on_under_its_own_uuid() {
        let tag = format!("started:xfs:{UUID}");
        match disk(&volume(Some(&tag), false), None, blank(), 100, FRESH) {
            DiskPlan::Format(_, consent) => assert_eq!((consent.uuid(), consent.is_spent()), (UUID, true)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn consent_counts_for_nothing_once_the_claim_knows_a_file_system() {
        for tag in ["xfs".to_owned(), format!("started:xfs:{UUID}"), format!("done:xfs:{UUID}")] {
            let plan = disk(&volume(Some(&tag), false), Some(&known(UUID)), blank(), 100, FRESH);
            assert!(matches!(plan, DiskPlan::Fault("vanished", _)), "{tag}: {plan:?}");
        }
    }

    #[test]
    fn spent_consent_and_snapshots_are_never_formatted() {
        let done = format!("done:xfs:{UUID}");
        assert!(matches!(
            disk(&volume(Some(&done), false), None, blank(), 100, FRESH),
            DiskPlan::Fault("vanished", _)
        ));
        assert!(matches!(
            disk(&volume(Some("xfs"), true), None, blank(), 100, FRESH),
            DiskPlan::Fault("snapshot", _)
        ));
    }

    #[test]
    fn a_complete_file_system_is_mounted_and_never_made_again() {
        for tag in [None, Some("xfs"), Some("ext4")] {
            let plan = disk(&volume(tag, false), None, xfs(UUID), 100, FRESH);
            assert_eq!(plan, DiskPlan::Mount { fs: Fs::Xfs, uuid: UUID.into(), confirm: None });
        }
        let plan = disk(&volume(Some(&format!("started:xfs:{UUID}")), false), None, xfs(UUID), 100, FRESH);
        let confirm = Some(FormatTag::Done(Fs::Xfs, UUID.into()));
        assert_eq!(plan, DiskPlan::Mount { fs: Fs::Xfs, uuid: UUID.into(), confirm });
    }

    #[test]
    fn another_file_system_than_the_claim_remembers_is_a_fault() {
        let plan = disk(&volume(None, false), Some(&known(FRESH)), xfs(UUID), 100, FRESH);
        assert!(matches!(plan, DiskPlan::Fault("replaced", _)));
        let plan = disk(&volume(None, false), None, xfs(UUID), 99, FRESH);
        assert!(matches!(plan, DiskPlan::Fault("smaller", _)));
    }

    #[test]
    fn the_tag_is_read_as_it_is_written() {
        for text in
            ["xfs".to_owned(), "ext4".into(), format!("started:ext4:{UUID}"), format!("done:xfs:{UUID}")]
        {
            assert_eq!(FormatTag::read(&text).unwrap().to_string(), text);
        }
        for text in
            ["", "btrfs", "started:xfs", "done:xfs:zz", "begun:xfs:11111111-2222-3333-4444-555555555555"]
        {
            assert_eq!(FormatTag::read(text), None, "{text}");
        }
    }
}
