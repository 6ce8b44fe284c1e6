//! Who may ask for a subject: itself, and for a peer that is lost, two witnesses in different zones.

use crate::records::Reason;
use crate::{InstanceId, Zone};
use std::time::Duration;

/// For how long a peer's registration must be gone.
pub const UNREGISTERED_FOR: Duration = Duration::from_secs(60);

/// An instance that could not reach the peer by TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The instance.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: Zone,
}

/// What is known against a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// For how long its registration has been gone, in good reads; none while it stands.
    pub unregistered_for: Option<Duration>,
    /// Who could not reach it in that time.
    pub witnesses: Vec<Witness>,
    /// Whether EC2's status checks call it `ok`; none where they could not be read.
    pub status_ok: Option<bool>,
}

/// Whether `asker` may ask for `subject`; else why not. For itself an instance says what it sees of itself; of another it
/// can only say that it is lost.
pub fn may_ask_for(
    asker: &InstanceId,
    subject: &InstanceId,
    reason: &Reason,
    evidence: &Evidence,
) -> Result<(), String> {
    let lost = *reason == Reason::LostPeer;
    if asker == subject {
        let itself = || format!("{subject} cannot be lost to itself");
        return if lost { Err(itself()) } else { Ok(()) };
    }
    if !lost {
        return Err(format!("only {subject} itself may ask to be replaced for {reason}"));
    }
    if evidence.unregistered_for.is_none_or(|time| time < UNREGISTERED_FOR) {
        let wanted = UNREGISTERED_FOR.as_secs();
        return Err(format!("the registration of {subject} has not been gone for {wanted} s"));
    }
    match evidence.status_ok {
        Some(false) => {}
        Some(true) => return Err(format!("EC2's status checks call {subject} ok")),
        None => return Err(format!("EC2's status checks of {subject} could not be read")),
    }
    let mut others = evidence.witnesses.iter().filter(|witness| witness.instance != *subject);
    let two = others.next().is_some_and(|first| {
        others.any(|other| other.instance != first.instance && other.zone != first.zone)
    });
    if two { Ok(()) } else { Err(format!("{subject} is out of reach of less than two zones")) }
}

#[cfg(test)]
mod tests {
    use super::super::samples::*;
    use super::*;

    fn seen_by(witnesses: &[(u8, u8)]) -> Evidence {
        let witness = |&(n, z): &(u8, u8)| Witness { instance: instance(n), zone: zone(z) };
        Evidence {
            unregistered_for: Some(UNREGISTERED_FOR),
            witnesses: witnesses.iter().map(witness).collect(),
            status_ok: Some(false),
        }
    }

    #[test]
    fn a_lost_peer_needs_two_witnesses_in_different_zones() {
        let asked =
            |evidence: &Evidence| may_ask_for(&instance(1), &instance(0), &Reason::LostPeer, evidence);
        assert_eq!(asked(&seen_by(&[(1, 1), (2, 2)])), Ok(()));
        assert_eq!(asked(&seen_by(&[(1, 1), (3, 1), (2, 2)])), Ok(()));
        for (evidence, why) in [
            (seen_by(&[]), "less than two zones"),
            (seen_by(&[(1, 1)]), "less than two zones"),
            (seen_by(&[(1, 1), (3, 1)]), "less than two zones"),
            (seen_by(&[(1, 1), (0, 0)]), "less than two zones"),
            (seen_by(&[(1, 1), (1, 2)]), "less than two zones"),
            (
                Evidence { unregistered_for: Some(Duration::from_secs(59)), ..seen_by(&[(1, 1), (2, 2)]) },
                "60 s",
            ),
            (Evidence { unregistered_for: None, ..seen_by(&[(1, 1), (2, 2)]) }, "60 s"),
            (Evidence { status_ok: Some(true), ..seen_by(&[(1, 1), (2, 2)]) }, "call i-0000000000000000"),
            (Evidence { status_ok: None, ..seen_by(&[(1, 1), (2, 2)]) }, "could not be read"),
        ] {
            assert!(asked(&evidence).unwrap_err().contains(why), "{evidence:?}");
        }
    }

    #[test]
    fn nobody_asks_for_another_by_what_only_that_one_can_see() {
        let proof = seen_by(&[(1, 1), (2, 2)]);
        let asked = |asker, reason: &Reason| may_ask_for(&instance(asker), &instance(0), reason, &proof);
        for reason in [Reason::UnitFailed, Reason::Host, Reason::SlotFault, Reason::VolumeStalled] {
            assert_eq!(asked(0, &reason), Ok(()));
            assert!(asked(1, &reason).unwrap_err().contains("itself"), "{reason}");
        }
        assert!(asked(0, &Reason::LostPeer).is_err());
    }
}
