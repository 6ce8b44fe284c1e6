//! Formatting needs consent, and consent is spent.
//!
//! The consent is one tag on the volume, `berth:format`: `xfs` (or `ext4`), then `started:xfs:<uuid>`, then
//! `done:xfs:<uuid>`. Formatting takes a [`FormatConsent`], and only [`super::plan::plan`] makes one.

use crate::fs::{Fs, FsUuid};
use std::fmt;

/// The tag's key.
pub const TAG: &str = "berth:format";

/// What the tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatTag {
    /// A person allows formatting, once.
    Allowed(Fs),
    /// berth spent the consent and began.
    Started(Fs, FsUuid),
    /// The file system was seen complete.
    Done(Fs, FsUuid),
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
        match word {
            "started" => Some(Self::Started(fs, uuid.parse().ok()?)),
            "done" => Some(Self::Done(fs, uuid.parse().ok()?)),
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
    pub(super) fs: Fs,
    pub(super) uuid: FsUuid,
    pub(super) spent: bool,
}

impl FormatConsent {
    /// What to make.
    pub fn fs(&self) -> Fs {
        self.fs
    }

    /// The UUID that the file system gets.
    pub fn uuid(&self) -> FsUuid {
        self.uuid
    }

    /// Whether the tag says `started` already.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The tag before the format.
    pub fn started(&self) -> FormatTag {
        FormatTag::Started(self.fs, self.uuid)
    }
}
