//! Slots: what they consist of, who holds them, and which one an instance takes.

mod assemble;
pub mod choose;
mod defect;
pub mod holder;
mod name_pattern;

pub use assemble::{misnamed, slots};
pub use defect::Defect;
pub use name_pattern::NamePattern;

use crate::ec2::{AttachmentState, EniSeen, VolumeSeen};
use crate::{BrokerId, InstanceId};
use std::collections::BTreeSet;
use std::fmt;

/// What a slot consists of. Configuration, never observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// A network interface.
    pub eni: bool,
    /// A volume.
    pub volume: bool,
}

/// One numbered place of the cluster in my zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The broker id.
    pub id: BrokerId,
    /// Its interface, where slots have one.
    pub eni: Option<EniSeen>,
    /// Its volume, where slots have one.
    pub volume: Option<VolumeSeen>,
    /// Why EC2's picture of it cannot be used.
    pub defect: Option<Defect>,
}

impl Slot {
    /// The instances that the two attachments name: two of the three witnesses (the claim is the third).
    pub fn attached_to(&self) -> BTreeSet<&InstanceId> {
        self.witnesses().collect()
    }

    /// The same as they are found: an instance may come twice.
    pub(crate) fn witnesses(&self) -> impl Iterator<Item = &InstanceId> {
        let volume = self.volume.iter().flat_map(|v| v.attachments.iter().map(|a| &a.instance));
        let eni = self.eni.iter().filter_map(|e| e.attachment.as_ref()?.instance.as_ref());
        volume.chain(eni)
    }

    /// Whether the volume (the ENI where slots have no volume) is attached to this instance in any state but `detached`.
    pub fn exclusively_on(&self, instance: &InstanceId) -> bool {
        match (&self.volume, &self.eni) {
            (Some(volume), _) => volume
                .attachments
                .iter()
                .any(|a| a.instance == *instance && a.state != AttachmentState::Detached),
            (None, Some(eni)) => {
                eni.attachment.as_ref().is_some_and(|a| a.instance.as_ref() == Some(instance))
            }
            (None, None) => false,
        }
    }

    /// What a fault of this slot was seen on. A fault lapses when this changes.
    pub fn fingerprint(&self) -> String {
        let mut text = String::with_capacity(96);
        self.print(&mut text).expect("a string takes all that is written to it");
        text
    }

    /// Whether this is the fingerprint now. Asked of thousands of slots under the lock, so nothing is allocated for it.
    pub(crate) fn is_printed(&self, fingerprint: &str) -> bool {
        let mut rest = Compared(fingerprint);
        self.print(&mut rest).is_ok() && rest.0.is_empty()
    }

    fn print(&self, to: &mut impl fmt::Write) -> fmt::Result {
        match &self.volume {
            // That there is a consent counts, not how far it is spent: berth itself writes that.
            Some(v) => write!(
                to,
                "{} {}GiB multi-attach={} consent={} ",
                v.id,
                v.size,
                v.multi_attach,
                v.format.is_some()
            )?,
            None => to.write_str("- ")?,
        }
        to.write_str(self.eni.as_ref().map_or("-", |e| e.id.as_str()))
    }
}

/// Takes what is written as long as it is what this text goes on with.
struct Compared<'a>(&'a str);

impl fmt::Write for Compared<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_known_again_and_any_other_is_not() {
        let slot = Slot { id: BrokerId::new(1).expect("an id"), eni: None, volume: None, defect: None };
        assert_eq!(slot.fingerprint(), "- -");
        assert!(slot.is_printed("- -"));
        for other in ["", "-", "- - ", "- -x", "vol-1 -"] {
            assert!(!slot.is_printed(other), "{other:?}");
        }
    }
}
