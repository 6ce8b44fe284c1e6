//! What would become of a slot's volume, as far as its tags and its claim tell: nobody has looked at the device yet.
//!
//! It says less than [`crate::disk::plan::plan`] and never something else: what is told here to be mounted unseen is never
//! formatted there.

use crate::VolumeId;
use crate::disk::consent::{FormatTag, TAG};
use crate::disk::{Fs, FsName, FsUuid};
use crate::ec2::VolumeSeen;
use crate::records::DiskRecord;
use std::fmt;

/// What would become of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskPreview {
    /// It has this file system, and who says so: mounted, never formatted.
    Has(FsName, FsUuid, &'static str),
    /// The claim remembers a file system on another volume: mounted as what is on it, never formatted.
    Another(VolumeId),
    /// Where it is blank, this is made on it, once.
    MayFormat(Fs),
    /// mkfs of this file system was started: it is run again if incomplete.
    Begun(Fs, FsUuid),
    /// Nobody allowed to format it: mounted as what is on it; where it is blank the boot ends.
    NoConsent,
    /// Made from a snapshot: as before, and consent counts for nothing.
    Snapshot,
    /// The tag cannot be read: the boot ends.
    Unreadable(String),
}

/// By the volume as EC2 shows it and the file system that the claim remembers.
pub fn preview(volume: &VolumeSeen, known: Option<&DiskRecord>) -> DiskPreview {
    let tag = match volume.format.as_deref() {
        None => None,
        Some(text) => match FormatTag::read(text) {
            Some(tag) => Some(tag),
            None => return DiskPreview::Unreadable(text.to_owned()),
        },
    };
    match known {
        Some(known) if known.volume == volume.id => {
            return DiskPreview::Has(known.fs.clone(), known.uuid, "its claim");
        }
        Some(known) => return DiskPreview::Another(known.volume.clone()),
        None => {}
    }
    match tag {
        Some(FormatTag::Done(fs, uuid)) => DiskPreview::Has(fs.into(), uuid, "its tag"),
        _ if volume.from_snapshot => DiskPreview::Snapshot,
        Some(FormatTag::Allowed(fs)) => DiskPreview::MayFormat(fs),
        Some(FormatTag::Started(fs, uuid)) => DiskPreview::Begun(fs, uuid),
        None => DiskPreview::NoConsent,
    }
}

impl DiskPreview {
    /// Whether a boot ends at it, whatever is on the device.
    pub fn ends_the_boot(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

impl fmt::Display for DiskPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has(fs, uuid, by) => write!(f, "has the {fs} {uuid} by {by}: mounted, never formatted"),
            Self::Another(volume) => {
                write!(
                    f,
                    "its claim remembers a file system on {volume}: mounted as what is on it, never formatted"
                )
            }
            Self::MayFormat(fs) => write!(f, "{TAG}={fs} lets it be formatted once, where it is blank"),
            Self::Begun(fs, uuid) => {
                write!(f, "mkfs of the {fs} {uuid} was started; it is run again if incomplete")
            }
            Self::NoConsent => {
                write!(
                    f,
                    "mounted as what is on it; no tag {TAG} lets it be formatted, so a blank one ends the boot"
                )
            }
            Self::Snapshot => write!(f, "made from a snapshot: mounted as what is on it, never formatted"),
            Self::Unreadable(text) => {
                write!(f, "its tag {TAG}={text} is none of xfs, ext4, started:<fs>:<uuid>, done:<fs>:<uuid>")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::plan::tests::volume;
    use crate::disk::plan::{DiskPlan, plan};
    use crate::disk::probe::{Probed, Sample, probe};
    use crate::records::FaultCode;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    const FRESH: &str = "99999999-2222-3333-4444-555555555555";

    fn blank() -> Probed {
        probe(&Sample::read(4096, |_, length| Ok::<_, ()>(vec![0; length as usize])).unwrap())
    }

    /// Every tag, with and without a snapshot, with the claim's memory of this volume, of another one, and of none.
    #[test]
    fn says_of_a_blank_device_what_the_disk_plan_decides() {
        let (started, done) = (format!("started:xfs:{UUID}"), format!("done:ext4:{UUID}"));
        let tags = [None, Some("xfs"), Some("ext4"), Some("btrfs"), Some(&*started), Some(&*done)];
        let record = |n: u8| DiskRecord {
            volume: format!("vol-0000000000000000{n}").parse().unwrap(),
            fs: Fs::Xfs.into(),
            uuid: UUID.parse().unwrap(),
        };
        for tag in tags {
            for snapshot in [false, true] {
                for known in [None, Some(record(1)), Some(record(2))] {
                    let volume = volume(tag, snapshot);
                    let said = preview(&volume, known.as_ref());
                    let planned = plan(&volume, known.as_ref(), blank(), 4096, FRESH.parse().unwrap());
                    let agrees = match (&said, &planned) {
                        (DiskPreview::MayFormat(fs), DiskPlan::Format(_, consent)) => {
                            consent.fs() == *fs && !consent.is_spent()
                        }
                        (DiskPreview::Begun(fs, uuid), DiskPlan::Format(_, consent)) => {
                            consent.fs() == *fs && consent.uuid() == *uuid && consent.is_spent()
                        }
                        (
                            DiskPreview::Has(..) | DiskPreview::Another(_),
                            DiskPlan::Fault(FaultCode::Vanished, _),
                        )
                        | (DiskPreview::Snapshot, DiskPlan::Fault(FaultCode::Snapshot, _)) => true,
                        (DiskPreview::NoConsent | DiskPreview::Unreadable(_), DiskPlan::Configuration(_)) => {
                            true
                        }
                        _ => false,
                    };
                    // A volume from a snapshot whose tag says "done" is a fault by either word.
                    let either =
                        snapshot && matches!((&said, &planned), (DiskPreview::Has(..), DiskPlan::Fault(..)));
                    assert!(agrees || either, "{tag:?} {snapshot} {known:?}: {said:?}, {planned:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_tag_that_cannot_be_read_ends_a_boot_whatever_is_on_the_device() {
        for tag in [None, Some("xfs"), Some("btrfs")] {
            let volume = volume(tag, false);
            let xfs = Probed::FileSystem { fs: Fs::Xfs, uuid: UUID.parse().unwrap(), bytes: 100 };
            let ends =
                matches!(plan(&volume, None, xfs, 4096, FRESH.parse().unwrap()), DiskPlan::Configuration(_));
            assert_eq!(preview(&volume, None).ends_the_boot(), ends, "{tag:?}");
        }
    }
}
