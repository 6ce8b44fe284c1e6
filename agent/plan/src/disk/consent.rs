//! Formatting needs consent, and consent is spent.
//!
//! The consent is one tag on the volume, `berth:format`: `xfs` (or `ext4`), then `started:xfs:<uuid>`, then
//! `done:xfs:<uuid>`. Formatting takes a [`FormatConsent`], and only [`super::plan::plan`] makes one.

use super::probe::Fs;
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
        match word {
            _ if !is_uuid(uuid) => None,
            // As a probe shows it.
            "started" => Some(Self::Started(fs, uuid.to_ascii_lowercase())),
            "done" => Some(Self::Done(fs, uuid.to_ascii_lowercase())),
            _ => None,
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let right = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(right)
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
    pub(super) uuid: String,
    pub(super) spent: bool,
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
