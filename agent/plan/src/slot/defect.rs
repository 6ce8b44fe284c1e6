//! What is wrong with a slot already in EC2's picture.

use crate::VolumeId;
use std::fmt;

/// What is wrong with a slot already in EC2's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// These resources of one kind bear the one Name.
    Twice(String, Vec<String>),
    /// No such part of this Name is in this zone.
    Missing(&'static str, String),
    /// The volume may be attached to several instances at once.
    MultiAttach(VolumeId),
    /// Terminating the holder would delete the data.
    DeletedOnTermination(VolumeId),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(name, ids) => {
                write!(f, "{} bear the one tag Name={name}: take it off all but one", ids.join(" and "))
            }
            Self::Missing(part, name) => {
                write!(
                    f,
                    "no {part} of this zone bears the tag Name={name}, and a slot's parts share one zone"
                )
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
        }
    }
}
