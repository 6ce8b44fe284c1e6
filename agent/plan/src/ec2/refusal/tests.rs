//! Answers of EC2 as its reference and public reports have them, and whose trouble each is.

use super::*;

const ATTACH: &str = "AttachVolume vol-1 to i-1 as /dev/sdf";
const ATTACH_ENI: &str = "AttachNetworkInterface eni-1 to i-1 at index 1";
const DETACH: &str = "DetachVolume vol-1 from i-1";

/// The answers that AWS gives, as its reference and public reports have them.
#[test]
fn an_answer_of_ec2_is_somebodys_trouble() {
    for (call, code, message, means, whose) in [
        (ATTACH, "VolumeInUse", "vol-1 is already attached to an instance", Refusal::InUse, Whose::Slot),
        (ATTACH, "IncorrectState", "vol-1 is not 'available'.", Refusal::NotAvailable, Whose::Slot),
        (ATTACH, "IncorrectState", "Instance 'i-1' is not 'running'.", Refusal::NotRunning, Whose::Instance),
        (
            ATTACH_ENI,
            "IncorrectState",
            "Instance 'i-1' is not 'running'.",
            Refusal::NotRunning,
            Whose::Instance,
        ),
        (ATTACH_ENI, "IncorrectState", "something new", Refusal::WrongState, Whose::Unknown),
        (
            DETACH,
            "IncorrectState",
            "Volume 'vol-1' is in the 'available' state.",
            Refusal::NotAttached,
            Whose::Nobody,
        ),
        (
            DETACH,
            "IncorrectState",
            "Volume 'vol-1' is in the 'detaching' state.",
            Refusal::WrongState,
            Whose::Unknown,
        ),
        (
            DETACH,
            "IncorrectInstanceState",
            "Instance 'i-1' is not in a state in which volumes can be detached",
            Refusal::WrongState,
            Whose::Unknown,
        ),
        (
            ATTACH,
            "InvalidVolume.NotFound",
            "The volume 'vol-1' does not exist.",
            Refusal::NotFound,
            Whose::Slot,
        ),
        (
            ATTACH,
            "InvalidInstanceID.NotFound",
            "The instance ID 'i-1' does not exist",
            Refusal::NoSuchInstance,
            Whose::Instance,
        ),
        (
            ATTACH_ENI,
            "InvalidNetworkInterface.InUse",
            "Interface: [eni-1] in use.",
            Refusal::InUse,
            Whose::Slot,
        ),
        (ATTACH_ENI, "InvalidParameterValue", "Interface: [eni-1] in use.", Refusal::InUse, Whose::Slot),
        (
            ATTACH_ENI,
            "InvalidParameterValue",
            "Instance 'i-1' already has an interface attached at device index '1'.",
            Refusal::PlaceTaken,
            Whose::Instance,
        ),
        (
            ATTACH,
            "InvalidParameterValue",
            "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use",
            Refusal::PlaceTaken,
            Whose::Instance,
        ),
        (
            ATTACH,
            "InvalidParameterValue",
            "Value (x) for parameter device is invalid.",
            Refusal::Other,
            Whose::Unknown,
        ),
        (
            ATTACH_ENI,
            "InvalidParameterCombination",
            "You may not attach a network interface to an instance if they are not in the same availability zone",
            Refusal::WrongZone,
            Whose::Slot,
        ),
        (
            ATTACH_ENI,
            "AttachmentLimitExceeded",
            "Interface count 3 exceeds the limit for m1.small",
            Refusal::Limit,
            Whose::Instance,
        ),
        (
            ATTACH,
            "CustomerKeyHasBeenRevoked",
            "Volume vol-1 cannot be attached. The encrypted volume was unable to access the KMS master key",
            Refusal::Key,
            Whose::Slot,
        ),
        (ATTACH, "EncryptedVolumesNotSupported", "", Refusal::Unsupported, Whose::Instance),
        (
            ATTACH_ENI,
            "AuthFailure",
            "You do not have permission to access the specified resource.",
            Refusal::Managed,
            Whose::Slot,
        ),
        (
            ATTACH,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
            Refusal::Credentials,
            Whose::Role,
        ),
        (
            "DetachNetworkInterface eni-attach-1",
            "OperationNotPermitted",
            "You are not allowed to manage 'ela-attach' attachments.",
            Refusal::Managed,
            Whose::Slot,
        ),
        (
            "DetachNetworkInterface eni-attach-1",
            "OperationNotPermitted",
            "The network interface at device index 0 cannot be detached.",
            Refusal::Other,
            Whose::Unknown,
        ),
        (
            ATTACH,
            "UnauthorizedOperation",
            "You are not authorized to perform this operation.",
            Refusal::Unauthorized,
            Whose::Role,
        ),
        (ATTACH, "RequestLimitExceeded", "Request limit exceeded.", Refusal::Throttled, Whose::Aws),
        (ATTACH, "RequestExpired", "Request has expired.", Refusal::Credentials, Whose::Role),
        (ATTACH, "PendingVerification", "", Refusal::Account, Whose::Account),
        (ATTACH, "InternalError", "An internal error has occurred", Refusal::Unknown, Whose::Aws),
    ] {
        let found = refusal(call, code, message, 400);
        assert_eq!((found, found.whose()), (means, whose), "{call}: {code}: {message}");
    }
}

#[test]
fn a_code_that_nobody_knows_is_a_server_error_by_its_status() {
    assert_eq!(refusal(ATTACH, "Teapot", "", 418), Refusal::Other);
    assert_eq!(refusal(ATTACH, "Teapot", "", 503), Refusal::Unknown);
}

/// A row that an earlier one covers would never count, and one without a source is a guess.
#[test]
fn every_row_can_be_reached_and_says_who_says_so() {
    for row in TABLE {
        assert_eq!(refusal(row.call, row.code, row.says, 400), row.means, "{row:?}");
        assert!(row.source.len() > 5, "{row:?}");
        assert_eq!(row.says, row.says.to_lowercase(), "{row:?}");
    }
}
