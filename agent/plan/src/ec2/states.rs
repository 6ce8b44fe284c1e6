//! The states that EC2 and Auto Scaling give to what they show. AWS may add to each of them, so each has `Other`.

use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
            /// One that this version does not know, as it came.
            Other(String),
        }

        impl $name {
            /// The text as AWS writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}

states!(
    /// `State` of a volume (EC2 API reference, Volume).
    VolumeState {
        Creating = "creating",
        Available = "available",
        InUse = "in-use",
        Deleting = "deleting",
        Deleted = "deleted",
        Error = "error",
    }
);

states!(
    /// State of the attachment of a volume or an interface (EC2 API reference, VolumeAttachment,
    /// NetworkInterfaceAttachment). Only a volume's can be `busy`.
    AttachmentState {
        Attaching = "attaching",
        Attached = "attached",
        Detaching = "detaching",
        Detached = "detached",
        Busy = "busy",
    }
);

states!(
    /// `Status` of a network interface (EC2 API reference, NetworkInterface). `pending` is not listed there and is shown
    /// while an interface is made.
    EniStatus {
        Pending = "pending",
        Available = "available",
        Associated = "associated",
        Attaching = "attaching",
        InUse = "in-use",
        Detaching = "detaching",
    }
);

states!(
    /// State of an instance (EC2 API reference, InstanceState).
    InstanceState {
        Pending = "pending",
        Running = "running",
        ShuttingDown = "shutting-down",
        Terminated = "terminated",
        Stopping = "stopping",
        Stopped = "stopped",
    }
);

impl Default for InstanceState {
    /// Of an instance that was shown without a state.
    fn default() -> Self {
        Self::Other("unknown".to_owned())
    }
}

states!(
    /// Life-cycle state of an instance in its group, and the target state that its metadata shows (Auto Scaling API
    /// reference, AutoScalingInstanceDetails; user guide, "Amazon EC2 Auto Scaling instance lifecycle").
    LifecycleState {
        Pending = "Pending",
        PendingWait = "Pending:Wait",
        PendingProceed = "Pending:Proceed",
        InService = "InService",
        Terminating = "Terminating",
        TerminatingWait = "Terminating:Wait",
        TerminatingProceed = "Terminating:Proceed",
        TerminatingRetained = "Terminating:Retained",
        Terminated = "Terminated",
        Detaching = "Detaching",
        Detached = "Detached",
        EnteringStandby = "EnteringStandby",
        Standby = "Standby",
        WarmedPending = "Warmed:Pending",
        WarmedPendingWait = "Warmed:Pending:Wait",
        WarmedPendingProceed = "Warmed:Pending:Proceed",
        WarmedRunning = "Warmed:Running",
        WarmedStopped = "Warmed:Stopped",
        WarmedHibernated = "Warmed:Hibernated",
        WarmedTerminating = "Warmed:Terminating",
        WarmedTerminated = "Warmed:Terminated",
    }
);

impl LifecycleState {
    /// In a warm pool. By its beginning, so that a state of it which AWS adds is one too.
    pub fn is_warmed(&self) -> bool {
        self.as_str().starts_with("Warmed:")
    }
}

/// A text that is no life-cycle state, whatever AWS may add: a page of a proxy, an empty answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a life-cycle state", crate::remote_text::quoted(.0))]
pub struct NotAState(String);

impl std::str::FromStr for LifecycleState {
    type Err = NotAState;

    /// Reads what the metadata service gave: names of letters, joined by colons.
    fn from_str(text: &str) -> Result<Self, NotAState> {
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic());
        if text.len() <= 64 && text.split(':').all(is_name) {
            Ok(Self::from(text))
        } else {
            Err(NotAState(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_it_was_read_whether_known_or_not() {
        for text in ["in-use", "error", "archived"] {
            assert_eq!(VolumeState::from(text).to_string(), text);
        }
        assert_eq!(VolumeState::from("in-use"), VolumeState::InUse);
        assert_eq!(VolumeState::from("archived"), VolumeState::Other("archived".to_owned()));
        assert_eq!(serde_json::to_string(&AttachmentState::Busy).unwrap(), "\"busy\"");
    }

    #[test]
    fn a_life_cycle_state_is_a_name_and_no_page() {
        assert_eq!("Terminating:Wait".parse(), Ok(LifecycleState::TerminatingWait));
        let new: LifecycleState = "Warmed:Cooling:Wait".parse().unwrap();
        assert!(new.is_warmed() && new == LifecycleState::Other("Warmed:Cooling:Wait".to_owned()));
        for text in ["", "<html>", "InService\n", "In Service", "Warmed:", &"a".repeat(65)] {
            assert!(text.parse::<LifecycleState>().is_err(), "{text:?}");
        }
    }
}
