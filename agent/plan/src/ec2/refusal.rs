//! What EC2's refusals mean, and whose trouble each is: the slot's, this instance's, the role's, the account's, or AWS's.
//!
//! EC2's errors are not modelled, so code and message decide. One table says all, each row with its source; nothing
//! else in berth reads a code of EC2.

#[cfg(test)]
mod tests;

use serde::Serialize;

/// What a refusal means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Refusal {
    /// Attached to some instance, this one included.
    InUse,
    /// The volume or the interface is not `available`: being made, being deleted, in `error`, or still detaching. A describe
    /// says which.
    NotAvailable,
    /// This instance is not `running` yet, as far as EC2 knows.
    NotRunning,
    /// The resource or the instance is not in a state for this, and the message does not say which of them.
    WrongState,
    /// Another Availability Zone.
    WrongZone,
    /// The device name or index is taken.
    PlaceTaken,
    /// The instance type takes no more attachments.
    Limit,
    /// The instance type cannot have this kind of attachment.
    Unsupported,
    /// EC2 does not know the volume or the interface, or not yet.
    NotFound,
    /// EC2 does not know this instance, or not yet.
    NoSuchInstance,
    /// It is not attached: a detach is done.
    NotAttached,
    /// An AWS service, or another account, manages the interface.
    Managed,
    /// The role may not.
    Unauthorized,
    /// The volume's key cannot be used: disabled, deleted, or without a grant for this role.
    Key,
    /// Credentials expired, or this host's clock is off.
    Credentials,
    /// The account is blocked, being verified, or not subscribed.
    Account,
    /// Too many calls.
    Throttled,
    /// No answer, or a server error: a change may or may not have been made.
    Unknown,
    /// Anything else.
    Other,
}

/// Whose trouble a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Whose {
    /// The slot's volume or interface: another slot may do.
    Slot,
    /// This instance's: no slot would do better here, another instance may.
    Instance,
    /// The role's, or this host's credentials: every slot and every instance of the group would meet it.
    Role,
    /// The account's.
    Account,
    /// AWS's, and it passes.
    Aws,
    /// Nobody's: what was asked for is so already.
    Nobody,
    /// Not known: it is tried again.
    Unknown,
}

impl Refusal {
    /// Whose trouble it is.
    pub fn whose(self) -> Whose {
        match self {
            Self::InUse
            | Self::NotAvailable
            | Self::WrongZone
            | Self::NotFound
            | Self::Managed
            | Self::Key => Whose::Slot,
            Self::NotRunning | Self::PlaceTaken | Self::Limit | Self::Unsupported | Self::NoSuchInstance => {
                Whose::Instance
            }
            Self::Unauthorized | Self::Credentials => Whose::Role,
            Self::Account => Whose::Account,
            Self::Throttled | Self::Unknown => Whose::Aws,
            Self::NotAttached => Whose::Nobody,
            Self::WrongState | Self::Other => Whose::Unknown,
        }
    }
}

/// One row: the first that fits counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// EC2's code.
    pub code: &'static str,
    /// What the call begins with; empty for every call.
    pub call: &'static str,
    /// What the message must have, in small letters; empty for any.
    pub says: &'static str,
    /// What it means.
    pub means: Refusal,
    /// Who says so.
    pub source: &'static str,
}

/// EC2 API reference, "Error codes for the Amazon EC2 API".
const ERR: &str = "EC2 API reference, Error codes";

/// The codes that an AWS SDK takes for throttling or for credentials that must be renewed.
const SDK: &str = "AWS SDKs, codes of the standard retry mode";

const fn any(code: &'static str, means: Refusal, source: &'static str) -> Row {
    Row { code, call: "", says: "", means, source }
}

const fn says(code: &'static str, says: &'static str, means: Refusal, source: &'static str) -> Row {
    Row { code, call: "", says, means, source }
}

const fn of(
    call: &'static str,
    code: &'static str,
    says: &'static str,
    means: Refusal,
    source: &'static str,
) -> Row {
    Row { code, call, says, means, source }
}

/// The table.
pub const TABLE: &[Row] = &[
    any("VolumeInUse", Refusal::InUse, ERR),
    any("InvalidNetworkInterface.InUse", Refusal::InUse, ERR),
    // A detach of what is not attached is answered by its state: that is what the detach was for.
    of(
        "DetachVolume",
        "IncorrectState",
        "'available' state",
        Refusal::NotAttached,
        "aws-ebs-csi-driver#1801",
    ),
    of(
        "Attach",
        "IncorrectState",
        "not 'available'",
        Refusal::NotAvailable,
        "kops#3235, build-debian-cloud#85",
    ),
    of("Attach", "IncorrectState", "not 'running'", Refusal::NotRunning, "fpco/terraform-aws-foundation#280"),
    any("IncorrectState", Refusal::WrongState, ERR),
    of("Attach", "IncorrectInstanceState", "", Refusal::NotRunning, ERR),
    any("IncorrectInstanceState", Refusal::WrongState, "terraform-provider-aws#18965"),
    any("InvalidInstanceState", Refusal::WrongState, ERR),
    any("InvalidState", Refusal::WrongState, ERR),
    any("InvalidVolume.ZoneMismatch", Refusal::WrongZone, ERR),
    any("InvalidVolumeID.ZoneMismatch", Refusal::WrongZone, ERR),
    says(
        "InvalidParameterCombination",
        "availability zone",
        Refusal::WrongZone,
        "the message of AttachNetworkInterface across zones, as public templates quote it",
    ),
    any("InvalidDevice.InUse", Refusal::PlaceTaken, ERR),
    says("InvalidParameterValue", "is already in use", Refusal::PlaceTaken, "aws-ebs-csi-driver#528"),
    says("InvalidParameterValue", "already has an interface", Refusal::PlaceTaken, "k8s-vpcnet#71"),
    of("AttachNetworkInterface", "InvalidParameterValue", "in use", Refusal::InUse, ERR),
    any("AttachmentLimitExceeded", Refusal::Limit, ERR),
    any("EncryptedVolumesNotSupported", Refusal::Unsupported, ERR),
    any("NonEBSInstance", Refusal::Unsupported, ERR),
    any("InvalidVolume.NotFound", Refusal::NotFound, ERR),
    any("InvalidNetworkInterfaceID.NotFound", Refusal::NotFound, ERR),
    any("InvalidSubnetID.NotFound", Refusal::NotFound, ERR),
    any("InvalidInstanceID.NotFound", Refusal::NoSuchInstance, ERR),
    any("InvalidAttachment.NotFound", Refusal::NotAttached, ERR),
    any("InvalidAttachmentID.NotFound", Refusal::NotAttached, ERR),
    // The role may all that it needs, and the interface is a service's: no policy changes that.
    says("AuthFailure", "access the specified resource", Refusal::Managed, "aws/aws-k8s-tester#70"),
    of("AttachNetworkInterface", "OperationNotPermitted", "", Refusal::Managed, ERR),
    says("OperationNotPermitted", "not allowed to manage", Refusal::Managed, "boto/boto3#2218"),
    any("UnauthorizedOperation", Refusal::Unauthorized, ERR),
    any("AccessDenied", Refusal::Unauthorized, "IAM: the Query services' code for it"),
    any("AccessDeniedException", Refusal::Unauthorized, "IAM: the JSON services' code for it"),
    any("CustomerKeyHasBeenRevoked", Refusal::Key, "EC2 API reference, Error codes; kube-aws#393"),
    any("Blocked", Refusal::Account, ERR),
    any("PendingVerification", Refusal::Account, ERR),
    any("OptInRequired", Refusal::Account, ERR),
    any("RequestLimitExceeded", Refusal::Throttled, ERR),
    any("Throttling", Refusal::Throttled, SDK),
    any("ThrottlingException", Refusal::Throttled, SDK),
    any("EC2ThrottledException", Refusal::Throttled, SDK),
    // Two writes of tags of one resource at once: the second is asked to come again.
    any("ConcurrentTagAccess", Refusal::Throttled, ERR),
    any("InternalError", Refusal::Unknown, ERR),
    any("InternalFailure", Refusal::Unknown, ERR),
    any("Unavailable", Refusal::Unknown, ERR),
    any("ServiceUnavailable", Refusal::Unknown, ERR),
    any("InsufficientVolumeCapacity", Refusal::Unknown, ERR),
    // Credentials that expired under way, or a clock that is not set yet: both mend themselves.
    any("AuthFailure", Refusal::Credentials, "EC2 API reference, Error codes; aws-sdk-java#519"),
    any("RequestExpired", Refusal::Credentials, ERR),
    any("InvalidSecurity.RequestHasExpired", Refusal::Credentials, ERR),
    any("InvalidClientTokenId", Refusal::Credentials, ERR),
    any("SignatureDoesNotMatch", Refusal::Credentials, ERR),
    any("MissingAuthenticationToken", Refusal::Credentials, ERR),
    any("ExpiredToken", Refusal::Credentials, SDK),
    any("ExpiredTokenException", Refusal::Credentials, SDK),
    any("RequestTimeTooSkewed", Refusal::Credentials, SDK),
];

/// What `code` and `message` mean as the answer to `call`, which begins with AWS's name of the action. `status` is that
/// of HTTP: a code that is not in the table is a server error from 500 on, and then the change may have been made.
pub fn refusal(call: &str, code: &str, message: &str, status: u16) -> Refusal {
    let message = message.to_lowercase();
    let fits = |row: &&Row| row.code == code && call.starts_with(row.call) && message.contains(row.says);
    match TABLE.iter().find(fits) {
        Some(row) => row.means,
        None if status >= 500 => Refusal::Unknown,
        None => Refusal::Other,
    }
}
