//! What can go wrong, as one sentence and what it means.

use crate::Step;
use crate::ports::{
    ClaimsError, CloudError, DiskError, HostError, NetworkError, Refusal, RegisterError, ServiceError,
};
use berth_plan::ec2::Whose;
use berth_plan::outcome::Kind;
use berth_plan::records::FaultCode;
use std::fmt;
use std::time::Duration;

/// Trouble: its kind decides what is done, its sentence is what people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub step: Step,
    /// What it means.
    pub kind: Kind,
    /// What is recorded of a fault of the slot; none for other trouble.
    pub code: Option<FaultCode>,
    /// What was tried, on which id, what was seen, what to do.
    pub sentence: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.sentence)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// Trouble of a kind.
    pub fn new(step: Step, kind: Kind, sentence: impl Into<String>) -> Self {
        Self { step, kind, code: None, sentence: sentence.into() }
    }

    /// A fault of this slot.
    pub fn fault(step: Step, code: FaultCode, sentence: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::new(step, Kind::SlotFault, sentence) }
    }

    /// The slot is not ours after all, or must be looked at anew.
    pub fn elsewhere(step: Step, sentence: impl Into<String>) -> Self {
        Self::new(step, Kind::Elsewhere, sentence)
    }

    /// Whether another try may help.
    pub fn is_passing(&self) -> bool {
        self.kind == Kind::ControlPlane
    }

    /// The same trouble after a wait.
    pub(crate) fn after(self, waited: Duration) -> Self {
        Self { sentence: format!("{}; tried for {} s", self.sentence, waited.as_secs()), ..self }
    }

    pub(crate) fn cloud(step: Step, error: &CloudError) -> Self {
        let kind = match error.refusal {
            Refusal::Unauthorized => Kind::Permission,
            Refusal::Key | Refusal::WrongZone | Refusal::Limit | Refusal::Unsupported | Refusal::Account => {
                Kind::Configuration
            }
            _ => Kind::ControlPlane,
        };
        let advice = match error.refusal {
            Refusal::Unauthorized => "; allow this call in the policy of the instance's role",
            Refusal::Key => {
                "; allow kms:CreateGrant and kms:Decrypt on the volume's key to the instance's role"
            }
            Refusal::WrongZone => {
                "; a slot's volume, interface and instance must be in one Availability Zone"
            }
            Refusal::Limit => "; use an instance type that takes one more attachment",
            Refusal::Unsupported => "; use an instance type that takes encrypted EBS volumes",
            Refusal::Throttled => "; see in CloudTrail who else of this account and region makes this call",
            _ => "",
        };
        Self::new(step, kind, format!("{error}{advice}"))
    }

    /// A refused attach: whose trouble it is decides. What belongs to the slot's volume or interface alone passes the slot
    /// over; that it is still on somebody is a wait.
    pub(crate) fn attach(step: Step, error: &CloudError) -> Self {
        match (error.refusal, error.refusal.whose()) {
            (Refusal::InUse | Refusal::NotAvailable, _) => Self::new(step, Kind::NoSlot, error.to_string()),
            // Deleted between the look and the call; or not to be seen yet, and then a later look finds it.
            (Refusal::NotFound, _) => Self::elsewhere(step, error.to_string()),
            (Refusal::Key, _) => Self::fault(
                step,
                FaultCode::Refused,
                format!(
                    "{error}; enable the volume's key, and allow kms:CreateGrant and kms:Decrypt on it to the instance's role"
                ),
            ),
            (_, Whose::Slot) => Self::fault(step, FaultCode::Refused, error.to_string()),
            _ => Self::cloud(step, error),
        }
    }

    pub(crate) fn claims(step: Step, error: &ClaimsError) -> Self {
        let kind = match error {
            ClaimsError::Away(_) | ClaimsError::Conflict(_) | ClaimsError::Busy { .. } => Kind::ControlPlane,
            ClaimsError::Refused(_) => Kind::Configuration,
        };
        Self::new(step, kind, error.to_string())
    }

    pub(crate) fn register(step: Step, error: &RegisterError) -> Self {
        let kind = match error {
            RegisterError::Away(_) => Kind::ControlPlane,
            RegisterError::Refused(_) => Kind::Configuration,
        };
        Self::new(step, kind, error.to_string())
    }

    pub(crate) fn disk(step: Step, error: DiskError) -> Self {
        match error {
            DiskError::Device(sentence) => Self::fault(step, FaultCode::Device, sentence),
            DiskError::Configuration(sentence) => Self::new(step, Kind::Configuration, sentence),
            DiskError::Host(sentence) => Self::new(step, Kind::Host, sentence),
        }
    }

    pub(crate) fn network(step: Step, error: NetworkError) -> Self {
        Self::new(step, Kind::Host, error.0)
    }

    pub(crate) fn service(step: Step, error: ServiceError) -> Self {
        Self::new(step, Kind::Host, error.0)
    }

    pub(crate) fn host(step: Step, error: HostError) -> Self {
        Self::new(step, Kind::Host, error.0)
    }
}
