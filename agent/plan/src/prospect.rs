//! What would become of a slot's volume, as far as its tags and its claim tell: nobody has looked at the device yet.
//!
//! It says less than [`crate::consent::disk`] and never something else: what is told here to be mounted unseen is never
//! formatted there.

use crate::VolumeId;
use crate::claim::DiskRecord;
use crate::consent::{FormatTag, TAG};
use crate::picture::VolumeSeen;
use crate::probe::Fs;
use std::fmt;

/// What would become of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// It bears this file system, and who says so: mounted, never formatted.
    Bears(String, String, &'static str),
    /// The claim remembers a file system on another volume: mounted as what it bears, never formatted.
    Another(VolumeId),
    /// Where it is blank, this is made on it, once.
    MayFormat(Fs),
    /// berth began to make this file system: finished where it is not there yet.
    Begun(Fs, String),
    /// Nobody allowed to format it: mounted as what it bears; where it is blank the boot ends.
    NoConsent,
    /// Made from a snapshot: as before, and consent counts for nothing.
    Snapshot,
    /// The tag cannot be read: the boot ends.
    Unreadable(String),
}

/// By the volume as EC2 shows it and the file system that the claim remembers.
pub fn prospect(volume: &VolumeSeen, known: Option<&DiskRecord>) -> Prospect {
    let tag = match volume.format.as_deref() {
        None => None,
        Some(text) => match FormatTag::read(text) {
            Some(tag) => Some(tag),
            None => return Prospect::Unreadable(text.to_owned()),
        },
    };
    match known {
        Some(known) if known.volume == volume.id => {
            return Prospect::Bears(known.fs.clone(), known.uuid.clone(), "its claim");
        }
        Some(known) => return Prospect::Another(known.volume.clone()),
        None => {}
    }
    match tag {
        Some(FormatTag::Done(fs, uuid)) => Prospect::Bears(fs.to_string(), uuid, "its tag"),
        _ if volume.from_snapshot => Prospect::Snapshot,
        Some(FormatTag::Allowed(fs)) => Prospect::MayFormat(fs),
        Some(FormatTag::Started(fs, uuid)) => Prospect::Begun(fs, uuid),
        None => Prospect::NoConsent,
    }
}

impl Prospect {
    /// Whether a boot ends at it, whatever is on the device.
    pub fn ends_the_boot(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

impl fmt::Display for Prospect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bears(fs, uuid, by) => write!(f, "bears the {fs} {uuid} by {by}: mounted, never formatted"),
            Self::Another(volume) => {
                write!(
                    f,
                    "its claim remembers a file system on {volume}: mounted as what it bears, never formatted"
                )
            }
            Self::MayFormat(fs) => write!(f, "{TAG}={fs} lets it be formatted once, where it is blank"),
            Self::Begun(fs, uuid) => {
                write!(f, "the {fs} {uuid} was begun on it: made where it is not complete")
            }
            Self::NoConsent => {
                write!(
                    f,
                    "mounted as what it bears; no tag {TAG} lets it be formatted, so a blank one ends the boot"
                )
            }
            Self::Snapshot => write!(f, "made from a snapshot: mounted as what it bears, never formatted"),
            Self::Unreadable(text) => {
                write!(f, "its tag {TAG}={text} is none of xfs, ext4, started:<fs>:<uuid>, done:<fs>:<uuid>")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{DiskPlan, disk};
    use crate::probe::{Probed, Sample, probe};

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

    /// Every tag, with and without a snapshot, with the claim's memory of this volume, of another one, and of none.
    #[test]
    fn says_of_a_blank_device_what_the_disk_plan_decides() {
        let (started, done) = (format!("started:xfs:{UUID}"), format!("done:ext4:{UUID}"));
        let tags = [None, Some("xfs"), Some("ext4"), Some("btrfs"), Some(&*started), Some(&*done)];
        let record = |n: u8| DiskRecord {
            volume: format!("vol-0000000000000000{n}").parse().unwrap(),
            fs: "xfs".into(),
            uuid: UUID.into(),
        };
        for tag in tags {
            for snapshot in [false, true] {
                for known in [None, Some(record(1)), Some(record(2))] {
                    let volume = volume(tag, snapshot);
                    let said = prospect(&volume, known.as_ref());
                    let plan = disk(&volume, known.as_ref(), blank(), 4096, FRESH);
                    let agrees = match (&said, &plan) {
                        (Prospect::MayFormat(fs), DiskPlan::Format(_, consent)) => {
                            consent.fs() == *fs && !consent.is_spent()
                        }
                        (Prospect::Begun(fs, uuid), DiskPlan::Format(_, consent)) => {
                            consent.fs() == *fs && consent.uuid() == uuid && consent.is_spent()
                        }
                        (Prospect::Bears(..) | Prospect::Another(_), DiskPlan::Fault("vanished", _))
                        | (Prospect::Snapshot, DiskPlan::Fault("snapshot", _)) => true,
                        (Prospect::NoConsent | Prospect::Unreadable(_), DiskPlan::Configuration(_)) => true,
                        _ => false,
                    };
                    // A volume from a snapshot whose tag says "done" is a fault by either word.
                    let either =
                        snapshot && matches!((&said, &plan), (Prospect::Bears(..), DiskPlan::Fault(..)));
                    assert!(agrees || either, "{tag:?} {snapshot} {known:?}: {said:?}, {plan:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_tag_that_cannot_be_read_ends_a_boot_whatever_is_on_the_device() {
        for tag in [None, Some("xfs"), Some("btrfs")] {
            let volume = volume(tag, false);
            let xfs = Probed::FileSystem { fs: Fs::Xfs, uuid: UUID.into(), bytes: 100 };
            let ends = matches!(disk(&volume, None, xfs, 4096, FRESH), DiskPlan::Configuration(_));
            assert_eq!(prospect(&volume, None).ends_the_boot(), ends, "{tag:?}");
        }
    }
}
