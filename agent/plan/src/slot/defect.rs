//! What is wrong with a slot already in EC2's picture.

use crate::ec2::VolumeState;
use crate::remote_text::bounded;
use crate::{EniId, VolumeId};
use std::fmt;

/// What is wrong with a slot already in EC2's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// These resources of one kind have the one Name.
    Twice(String, Vec<String>),
    /// No such part of this Name is in this zone.
    Missing(&'static str, String),
    /// The volume may be attached to several instances at once.
    MultiAttach(VolumeId),
    /// Terminating the holder would delete the data.
    DeletedOnTermination(VolumeId),
    /// The volume will never be available again.
    Lost(VolumeId, VolumeState),
    /// A service of AWS manages the interface.
    Managed(EniId),
    /// The interface is of a type that is attached to no instance.
    Unattachable(EniId, String),
    /// Terminating the holder would delete the interface, and the slot's address with it.
    EniDeletedOnTermination(EniId),
}

impl Defect {
    /// One that only comes true with the end of the holder: who has the slot keeps it.
    pub fn is_of_the_attachment(&self) -> bool {
        matches!(self, Self::DeletedOnTermination(_) | Self::EniDeletedOnTermination(_))
    }

    /// Those that have the Name of this resource too.
    pub fn twins_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let ids: &[String] = match self {
            Self::Twice(_, ids) if ids.iter().any(|one| one == id) => ids,
            _ => &[],
        };
        ids.iter().map(String::as_str).filter(move |one| *one != id)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(name, ids) => {
                write!(f, "{} have the one tag Name={name}: take it off all but one", ids.join(" and "))
            }
            Self::Missing(part, name) => {
                write!(f, "no {part} of this zone has the tag Name={name}, and a slot's parts share one zone")
            }
            Self::MultiAttach(volume) => {
                write!(f, "{volume} allows Multi-Attach, so attaching it excludes nobody")
            }
            Self::DeletedOnTermination(volume) => {
                write!(
                    f,
                    "the attachment of {volume} says DeleteOnTermination=true: its data would go with the instance"
                )
            }
            Self::Lost(volume, state) => {
                write!(
                    f,
                    "{volume} is in the state {state}, from which no volume comes back: restore it from a snapshot, and move the tags"
                )
            }
            Self::Managed(eni) => {
                write!(
                    f,
                    "{eni} is managed by a service of AWS (requester-managed), and nobody else may attach it: tag an interface of your own"
                )
            }
            Self::Unattachable(eni, kind) => {
                write!(
                    f,
                    "{eni} is of type {}, which no running instance takes: tag one of type interface",
                    bounded(kind)
                )
            }
            Self::EniDeletedOnTermination(eni) => {
                write!(
                    f,
                    "the attachment of {eni} says DeleteOnTermination=true: its address would go with the instance"
                )
            }
        }
    }
}
