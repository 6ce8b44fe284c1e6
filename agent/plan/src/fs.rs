//! File systems: the kinds that berth mounts, the kinds that a record may name, and their UUIDs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A file system that berth mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fs {
    /// XFS.
    Xfs,
    /// ext4; ext3 and ext2 are mounted by the same driver.
    Ext4,
}

impl Fs {
    /// The name that mount(2) and mkfs know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
        }
    }

    /// The file system of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Xfs, Self::Ext4].into_iter().find(|fs| fs.name() == name)
    }
}

impl fmt::Display for Fs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// The kind of a file system, as a record names it. One that this berth does not mount is kept as it is: two versions
/// meet in a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FsName {
    /// One that berth mounts.
    Known(Fs),
    /// Of another version of berth.
    Other(String),
}

impl From<String> for FsName {
    fn from(name: String) -> Self {
        Fs::named(&name).map_or(Self::Other(name), Self::Known)
    }
}

impl From<FsName> for String {
    fn from(name: FsName) -> Self {
        name.to_string()
    }
}

impl From<Fs> for FsName {
    fn from(fs: Fs) -> Self {
        Self::Known(fs)
    }
}

impl PartialEq<Fs> for FsName {
    fn eq(&self, fs: &Fs) -> bool {
        matches!(self, Self::Known(known) if known == fs)
    }
}

impl fmt::Display for FsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(fs) => fs.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// The UUID of a file system. As text: lower case, with dashes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FsUuid([u8; 16]);

impl FsUuid {
    /// As a superblock has it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no UUID")]
pub struct NoUuid(String);

impl FromStr for FsUuid {
    type Err = NoUuid;

    /// In either case, but with all its dashes.
    fn from_str(text: &str) -> Result<Self, NoUuid> {
        let fits = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if text.len() == 36
            && text.bytes().enumerate().all(fits)
            && let Ok(number) = u128::from_str_radix(&digits, 16)
        {
            return Ok(Self(number.to_be_bytes()));
        }
        Err(NoUuid(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for FsUuid {
    type Error = NoUuid;

    fn try_from(text: String) -> Result<Self, NoUuid> {
        text.parse()
    }
}

impl From<FsUuid> for String {
    fn from(uuid: FsUuid) -> Self {
        uuid.to_string()
    }
}

impl fmt::Display for FsUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for FsUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_in_either_case_and_written_in_lower() {
        let text = "aBabab01-2222-3333-4444-5555555555ff";
        let uuid: FsUuid = text.parse().unwrap();
        assert_eq!(uuid.to_string(), text.to_lowercase());
        assert_eq!(serde_json::from_str::<FsUuid>(&format!("\"{text}\"")).unwrap(), uuid);
        assert_eq!(serde_json::to_string(&uuid).unwrap(), format!("\"{uuid}\""));
        let (dashes, digits) = ("-".repeat(36), "1".repeat(36));
        let (signed, longer) = (format!("+{}", &text[1..]), format!("{text}0"));
        for wrong in ["", "x", &dashes, &digits, &signed, &longer] {
            assert!(wrong.parse::<FsUuid>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_of_another_version_is_kept() {
        for (text, name) in [("xfs", FsName::Known(Fs::Xfs)), ("bcachefs", FsName::Other("bcachefs".into()))]
        {
            assert_eq!(FsName::from(text.to_owned()), name);
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{text}\""));
        }
    }
}
