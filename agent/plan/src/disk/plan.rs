//! What becomes of a slot's device: mounted, formatted once, or refused.

#[cfg(test)]
mod tests;

use super::consent::{FormatConsent, FormatTag, TAG};
use super::probe::{BlankDevice, Fs, Probed};
use crate::ec2::VolumeSeen;
use crate::records::DiskRecord;

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
/// Once the claim remembers a file system, on this volume or on another, nothing is formatted in this slot any more.
/// `fresh` is the UUID that a new file system would get; `size` the device's bytes.
pub fn plan(
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
            Some(FormatTag::Started(Fs::Xfs, mine)) if *mine == uuid => {
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
    // On another volume than the claim's: restored from a copy. The log dir says whose data it is.
    if let Some(known) = known.filter(|known| known.volume == volume.id)
        && (known.uuid != uuid || known.fs != fs.name())
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
        let (fs, uuid) = (&known.fs, &known.uuid);
        let sentence = match &known.volume {
            same if same == id => format!("{id} shows {what}, the claim remembers the {fs} {uuid} on it"),
            other => format!(
                "{id} shows {what}, the claim remembers the {fs} {uuid} on {other}: bring that volume back under this Name, or restore its data to {id}"
            ),
        };
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
