//! What becomes of a slot's device: mounted, formatted once, or refused.

#[cfg(test)]
pub(super) mod tests;

use super::consent::{FormatConsent, FormatTag, TAG};
use super::probe::{BlankDevice, Probed, Remnant};
use crate::ec2::VolumeSeen;
use crate::fs::{Fs, FsUuid};
use crate::records::{DiskRecord, FaultCode};

/// What to do with the slot's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskPlan {
    /// A file system is there: check, grow, mount it as what it is.
    Mount {
        /// Which.
        fs: Fs,
        /// Its UUID.
        uuid: FsUuid,
        /// The tag to write after it was seen complete, where the tag does not say it yet.
        confirm: Option<FormatTag>,
    },
    /// Make one.
    Format(BlankDevice, FormatConsent),
    /// The operator can mend this: the boot ends.
    Configuration(String),
    /// Only this slot is concerned: it is passed over.
    Fault(FaultCode, String),
}

/// Decides from the volume as EC2 shows it, the file system that the claim remembers, and a probe of the open device.
/// Once the claim remembers a file system, on this volume or on another, nothing is formatted in this slot any more.
/// `fresh` is the UUID that a new file system would get; `size` the device's bytes.
pub fn plan(
    volume: &VolumeSeen,
    known: Option<&DiskRecord>,
    probed: Probed,
    size: u64,
    fresh: FsUuid,
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
    if size == 0 {
        let sentence =
            format!("the device of {} has 0 bytes: look at the volume in EC2, and at dmesg", volume.id);
        return DiskPlan::Fault(FaultCode::EmptyDevice, sentence);
    }
    match probed {
        Probed::Unreadable(why) => {
            DiskPlan::Fault(FaultCode::Unreadable, format!("{} cannot be read: {why}", volume.id))
        }
        Probed::FileSystem { bytes, uuid, .. } if bytes > size => DiskPlan::Fault(
            FaultCode::Smaller,
            format!("{} has {size} bytes, the file system {uuid} on it claims {bytes}", volume.id),
        ),
        Probed::FileSystem { fs, uuid, .. } => complete(volume, known, tag, fs, uuid),
        Probed::Foreign(what) => DiskPlan::Fault(
            FaultCode::Foreign,
            format!(
                "{} has the signature of {what}; berth mounts xfs and ext4 and formats nothing over data",
                volume.id
            ),
        ),
        Probed::Remains { found, blank } => match (&tag, found.first()) {
            (Some(FormatTag::Started(fs, mine)), Some(left))
                if found.iter().all(|left| (left.fs, left.uuid) == (*fs, *mine)) =>
            {
                let what = format!("an unfinished {}", left.fs);
                empty(volume, known, tag, blank, fresh, &what)
            }
            (_, left) => DiskPlan::Fault(FaultCode::Foreign, wiped(volume, left)),
        },
        Probed::Blank(blank) => empty(volume, known, tag, blank, fresh, "no file system"),
        Probed::InProgress { uuid, blank } => match &tag {
            Some(FormatTag::Started(Fs::Xfs, mine)) if *mine == uuid => {
                empty(volume, known, tag, blank, fresh, "an unfinished xfs")
            }
            _ => DiskPlan::Fault(
                FaultCode::Unfinished,
                format!(
                    "{} has an xfs {uuid} that mkfs never completed, and its tag {TAG} does not say that berth began it",
                    volume.id
                ),
            ),
        },
    }
}

fn wiped(volume: &VolumeSeen, left: Option<&Remnant>) -> String {
    let what = left.map_or_else(
        || "something".to_owned(),
        |left| format!("the {} {} at byte {}", left.fs, left.uuid, left.at),
    );
    format!(
        "the start of {} was wiped, but there is {what}: its data may be there yet, and berth formats nothing over data",
        volume.id
    )
}

fn complete(
    volume: &VolumeSeen,
    known: Option<&DiskRecord>,
    tag: Option<FormatTag>,
    fs: Fs,
    uuid: FsUuid,
) -> DiskPlan {
    // On another volume than the claim's: restored from a copy. The log dir says whose data it is.
    if let Some(known) = known.filter(|known| known.volume == volume.id)
        && (known.uuid != uuid || known.fs != fs)
    {
        let sentence = format!(
            "{} has the {fs} {uuid}, the claim remembers the {} {} on it",
            volume.id, known.fs, known.uuid
        );
        return DiskPlan::Fault(FaultCode::Replaced, sentence);
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
    fresh: FsUuid,
    what: &str,
) -> DiskPlan {
    let id = &volume.id;
    if let Some(known) = known {
        let (fs, uuid) = (&known.fs, &known.uuid);
        let sentence = match &known.volume {
            same if same == id => format!("{id} shows {what}, the claim remembers the {fs} {uuid} on it"),
            other => format!(
                "{id} shows {what}, the claim remembers the {fs} {uuid} on {other}: bring that volume back under this Name, or restore its data to {id}"
            ),
        };
        return DiskPlan::Fault(FaultCode::Vanished, sentence);
    }
    if volume.from_snapshot {
        return DiskPlan::Fault(
            FaultCode::Snapshot,
            format!("{id} was made from a snapshot and shows {what}: it is never formatted"),
        );
    }
    match tag {
        Some(FormatTag::Allowed(fs)) => {
            DiskPlan::Format(blank, FormatConsent { fs, uuid: fresh, spent: false })
        }
        Some(FormatTag::Started(fs, uuid)) => {
            DiskPlan::Format(blank, FormatConsent { fs, uuid, spent: true })
        }
        Some(FormatTag::Done(fs, uuid)) => DiskPlan::Fault(
            FaultCode::Vanished,
            format!("{id} shows {what}, its tag {TAG} says that it had the {fs} {uuid}"),
        ),
        None => DiskPlan::Configuration(format!(
            "{id} shows {what} and nobody allowed to make one; where it may be formatted: aws ec2 create-tags --resources {id} --tags Key={TAG},Value=xfs"
        )),
    }
}
