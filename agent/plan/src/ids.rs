//! Identifiers, checked once where they enter. What holds a `VolumeId` need not ask again whether it looks like one.

use crate::remote_text::quoted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not {expected}", quoted(.text))]
pub struct NotAnId {
    text: String,
    expected: &'static str,
}

/// A Kafka broker id: 0 to 2147483647 (`broker.id` is an int that must not be negative, Kafka's broker configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerId(u32);

impl BrokerId {
    /// The id of this number; none where Kafka could not hold it.
    pub fn new(number: u32) -> Option<Self> {
        (number <= i32::MAX as u32).then_some(Self(number))
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for BrokerId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refused = || NotAnId { text: text.to_owned(), expected: "a broker id (0 to 2147483647)" };
        let canonical = text == "0" || !text.starts_with(['0', '+', '-']);
        text.parse().ok().filter(|_| canonical).and_then(Self::new).ok_or_else(refused)
    }
}

/// The text of an EC2 id, kept in place: the choice compares thousands of them under the lock, and each would be another
/// place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Short {
    bytes: [u8; 32],
    length: u8,
}

impl Short {
    fn words(&self) -> [u64; 4] {
        let (words, _) = self.bytes.as_chunks();
        [0, 1, 2, 3].map(|n| u64::from_be_bytes(words[n]))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("made of a text that fitted")
    }
}

impl From<&str> for Short {
    /// The longest id, of an attachment, has 28 characters.
    fn from(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self { bytes, length: text.len() as u8 }
    }
}

impl Ord for Short {
    /// As texts: what lies behind the end is zero, and before any character.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for Short {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident($kept:ty), $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name($kept);

        impl $name {
            /// The text as AWS or the kernel writes it.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NotAnId { text: text.to_owned(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_str().fmt(f)
            }
        }
    };
}

/// EC2's ids are a prefix and 8 or 17 hexadecimal digits (EC2 user guide, "Resource IDs").
fn ec2(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        matches!(rest.len(), 8 | 17) && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

text_id!(
    /// An EC2 instance.
    InstanceId(Short), "an instance id (i-…)", |t| ec2("i-", t));
text_id!(
    /// An EBS volume.
    VolumeId(Short), "a volume id (vol-…)", |t| ec2("vol-", t));
text_id!(
    /// A network interface.
    EniId(Short), "a network interface id (eni-…)", |t| ec2("eni-", t));
text_id!(
    /// One attachment of a network interface to an instance.
    AttachmentId(Short), "an attachment id (eni-attach-…)", |t| ec2("eni-attach-", t));
text_id!(
    /// A subnet.
    SubnetId(Short), "a subnet id (subnet-…)", |t| ec2("subnet-", t));
text_id!(
    /// An Availability Zone by name, as `eu-central-1a`.
    Zone(String), "an Availability Zone", |t| t.len() <= 64 && !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
text_id!(
/// An Availability Zone by the id that is the same in every account, as `euc1-az1`; of a Local Zone `usw2-lax1-az1`,
/// of a Wavelength Zone `use1-wl1-bos-wlz1` (EC2 user guide, "Availability Zone IDs").
ZoneId(String), "an Availability Zone id (euc1-az1)", |t| {
    let parts: Vec<&str> = t.split('-').collect();
    let last = parts.last().copied().unwrap_or_default();
    let number = last.trim_start_matches(|c: char| c.is_ascii_lowercase());
    t.len() <= 64
        && parts.len() >= 2
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(lower_or_digit))
        && number.len() < last.len()
        && is_number(number)
});
text_id!(
/// A region, as `eu-central-1` or `us-gov-west-1`.
Region(String), "a region (eu-central-1)", |t| {
    let parts: Vec<&str> = t.split('-').collect();
    let words = &parts[..parts.len() - 1];
    t.len() <= 32
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && parts.last().is_some_and(|last| is_number(last))
});
text_id!(
/// An instance type, as `m5.large` or `u-6tb1.112xlarge`: family and size.
InstanceType(String), "an instance type (m5.large)", |t| {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| lower_or_digit(b) || b == b'-');
    t.len() <= 64 && t.split_once('.').is_some_and(|(family, size)| is_part(family) && is_part(size))
});
text_id!(
/// The DNS domain of AWS's services in this partition: `amazonaws.com`, `amazonaws.com.cn`.
Domain(String), "a domain (amazonaws.com)", |t| {
    let is_label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(|b| lower_or_digit(b) || b == b'-')
    };
    t.len() <= 128 && t.contains('.') && t.split('.').all(is_label)
});
text_id!(
/// A CloudFormation stack, by its name or its ARN (CloudFormation API reference, SignalResource: `StackName`).
StackName(String), "a stack's name or ARN", |t| match t.strip_prefix("arn:") {
    Some(rest) => t.len() <= 512 && rest.starts_with("aws") && rest.contains(":stack/") && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-:/".contains(&b)),
    None => t.len() <= 128
        && t.starts_with(|c: char| c.is_ascii_alphabetic())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
});
text_id!(
    /// A resource of a template (CloudFormation user guide, "Resources": letters and digits).
    LogicalId(String), "a logical id (letters and digits)", |t| (1..=255).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric()));
text_id!(
/// An Auto Scaling group: printable ASCII without blanks and colons (Auto Scaling API reference,
/// CreateAutoScalingGroup). A `<` at its start is allowed there too; to berth that is a page of a proxy.
GroupName(String), "the name of an Auto Scaling group", |t| {
    (1..=255).contains(&t.len()) && !t.starts_with('<') && t.bytes().all(|b| b.is_ascii_graphic() && b != b':')
});
text_id!(
/// A role of IAM, as the metadata service names it (IAM API reference, CreateRole).
RoleName(String), "the name of a role", |t| {
    (1..=128).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
});
text_id!(
    /// The kernel's boot id: `/proc/sys/kernel/random/boot_id`, new at each boot (random(4)).
    BootId(String), "a kernel boot id", |t| t.len() == 36 && t.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
text_id!(
    /// What marks a node in ZooKeeper as made by this one run of berth, so that a lost reply can be read back.
    Token(String), "a token", |t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));

impl InstanceType {
    /// `m5` of `m5.large`.
    pub fn family(&self) -> &str {
        self.as_str().split_once('.').map_or("", |(family, _)| family)
    }

    /// Without a hypervisor.
    pub fn is_metal(&self) -> bool {
        self.as_str().split_once('.').is_some_and(|(_, size)| size.starts_with("metal"))
    }
}

impl VolumeId {
    /// The NVMe serial of the volume: its id without the dash (EC2 user guide, "Map Amazon EBS volumes to NVMe device names").
    pub fn serial(&self) -> String {
        self.as_str().replacen('-', "", 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ids_that_aws_gives() {
        assert!("i-0123456789abcdef0".parse::<InstanceId>().is_ok());
        assert!("i-01234567".parse::<InstanceId>().is_ok());
        assert_eq!("vol-0123456789abcdef0".parse::<VolumeId>().unwrap().serial(), "vol0123456789abcdef0");
    }

    #[test]
    fn refuses_what_is_not_the_id() {
        let refused = "vol-xyz".parse::<VolumeId>().unwrap_err();
        assert_eq!(refused.to_string(), "\"vol-xyz\" is not a volume id (vol-…)");
        assert!("i-0123456789abcdef0".parse::<VolumeId>().is_err());
        assert!("i-0123456789ABCDEF0".parse::<InstanceId>().is_err());
    }

    /// A proxy's page, an empty answer, half a line: nothing of it is a value.
    const PAGES: [&str; 6] =
        ["", "<html><body>502</body></html>", "Bad Gateway", "a\nb", " ", "eu-central-1 "];

    fn reads<T: std::str::FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?}");
        }
        for text in bad.iter().chain(&PAGES) {
            assert!(text.parse::<T>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn metadata_is_read_as_what_it_should_be() {
        reads::<Region>(
            &["eu-central-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"],
            &["eu", "eu-central", "EU-central-1", "eu--1", "1"],
        );
        reads::<ZoneId>(
            &["euc1-az1", "usw2-lax1-az1", "use1-wl1-bos-wlz1", "apse2-az12"],
            &["euc1", "euc1-az", "euc1-1", "EUC1-AZ1", "-az1"],
        );
        reads::<Zone>(
            &["eu-central-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1"],
            &["eu-central-1a\u{0}"],
        );
        reads::<InstanceType>(
            &["m5.large", "u-6tb1.112xlarge", "mac2-m2pro.metal", "c7i.metal-48xl"],
            &["m5", ".large", "m5.", "m5 .large", "a.b.c"],
        );
        reads::<Domain>(
            &["amazonaws.com", "amazonaws.com.cn", "c2s.ic.gov"],
            &["com", "a..b", "-a.b", "a.b/c", "a.b:80", "A.b"],
        );
        reads::<StackName>(
            &["kafka", "Kafka-7", "arn:aws:cloudformation:eu-central-1:123456789012:stack/kafka/51af3dc0"],
            &["7kafka", "a_b", "arn:aws:s3:::x", "arn:gcp:x:stack/y"],
        );
        reads::<LogicalId>(&["Brokers", "a1"], &["a-b", "a.b"]);
        reads::<GroupName>(&["kafka-brokers", "a/b_c.d", "kafka(1)"], &["a:b", "ä"]);
        reads::<RoleName>(&["kafka-broker", "a.b@c+d=e,f_g"], &["a/b", "a:b"]);
        let metal: InstanceType = "i3.metal".parse().unwrap();
        assert_eq!((metal.family(), metal.is_metal()), ("i3", true));
    }

    #[test]
    fn what_is_no_id_is_shown_bounded_and_on_one_line() {
        let page = format!("<html>\n{}", "x".repeat(5_000));
        let refused = page.parse::<InstanceId>().unwrap_err().to_string();
        assert!(refused.lines().count() == 1 && refused.len() < 500, "{refused}");
    }

    #[test]
    fn ids_are_ordered_and_shown_as_their_texts() {
        let texts = ["i-0123456789abcdef0", "i-01234567", "i-0123456789abcdef1", "i-01234568", "i-f0000000"];
        let mut sorted = texts;
        sorted.sort_unstable();
        let mut ids = texts.map(|text| text.parse::<InstanceId>().unwrap());
        ids.sort();
        assert_eq!(ids.each_ref().map(InstanceId::as_str), sorted);
        let longest = "eni-attach-0123456789abcdef0";
        assert_eq!(longest.parse::<AttachmentId>().unwrap().to_string(), longest);
    }

    #[test]
    fn a_broker_id_has_one_spelling() {
        assert_eq!("7".parse::<BrokerId>().unwrap().number(), 7);
        assert_eq!("0".parse::<BrokerId>().unwrap().number(), 0);
        for text in ["", "07", "+7", "-1", "2147483648", "7 "] {
            assert!(text.parse::<BrokerId>().is_err(), "{text:?}");
        }
    }
}
