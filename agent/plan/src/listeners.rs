//! What the answers of SignalResource and SetInstanceHealth mean, and what of an answer may be shown.
//!
//! A refusal is worth another try, or it says that nobody listens, or it is final: somebody must mend something. An
//! unknown code is passing: the boot has nothing else to do, and the listeners have time-outs of their own.

use crate::remote_text::bounded;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Worth another try.
    Passing,
    /// There is nobody to tell. A success, noted.
    Nobody,
    /// The role may not; SignalResource has another way.
    Forbidden,
    /// Not worth another try.
    Final,
}

/// A call whose answers have a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// CloudFormation.
    SignalResource,
    /// Auto Scaling.
    SetInstanceHealth,
    /// Auto Scaling: DescribeLifecycleHooks, CompleteLifecycleAction, RecordLifecycleActionHeartbeat.
    LifecycleAction,
}

struct Row {
    code: &'static str,
    /// The call; none for what any call may answer.
    call: Option<Call>,
    /// A part of the message; empty for any.
    message: &'static str,
    meaning: Meaning,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the reader, and for the test that each row has one")
    )]
    source: &'static str,
}

const fn row(
    code: &'static str,
    call: Option<Call>,
    message: &'static str,
    meaning: Meaning,
    source: &'static str,
) -> Row {
    Row { code, call, message, meaning, source }
}

const COMMON: &str = "CloudFormation and Auto Scaling API references, \"Common Errors\"";
const TOO_MANY: &str = "Auto Scaling user guide, \"Request throttling\"; CloudFormation answers Throttling";
const CLOCK: &str =
    "SigV4: a clock that is not set yet, credentials that were renewed meanwhile: both mend themselves";

/// The first row that fits counts.
const ROWS: &[Row] = {
    use Call::{LifecycleAction, SetInstanceHealth, SignalResource};
    use Meaning::{Final, Forbidden, Nobody, Passing};
    &[
        row(
            "ValidationError",
            Some(SignalResource),
            "cannot be signaled",
            Nobody,
            "aws-cloudformation-templates #34, #126: \"Stack … is in CREATE_COMPLETE state and cannot be signaled\"",
        ),
        row(
            "ValidationError",
            Some(SignalResource),
            "does not exist",
            Nobody,
            "CloudFormation: \"Stack with id … does not exist\" (boto #2807), \"Resource … does not exist for stack …\" \
             (aws-samples/amazon-rekognition-video-analyzer #23): the stack was deleted around an instance that lives",
        ),
        row(
            "ValidationError",
            Some(SetInstanceHealth),
            "No managed instance found",
            Nobody,
            "Auto Scaling: \"Instance Id not found - No managed instance found for instance ID: …\": in no group any more",
        ),
        row(
            "ValidationError",
            Some(LifecycleAction),
            "No active Lifecycle Action found",
            Nobody,
            "convox/rack #2432: no such hook waits for this instance: completed, timed out, or never begun",
        ),
        row("ValidationError", None, "", Final, COMMON),
        row(
            "ResourceContention",
            Some(SetInstanceHealth),
            "",
            Passing,
            "API reference, SetInstanceHealth, Errors",
        ),
        row(
            "ResourceContention",
            Some(LifecycleAction),
            "",
            Passing,
            "API reference, CompleteLifecycleAction, Errors: a pending update of the group",
        ),
        row("ResourceContentionFault", Some(SetInstanceHealth), "", Passing, "the code's name in older SDKs"),
        row("AccessDenied", None, "", Forbidden, COMMON),
        row("AccessDeniedException", None, "", Forbidden, COMMON),
        row("UnauthorizedOperation", None, "", Forbidden, COMMON),
        row("NotAuthorized", None, "", Forbidden, COMMON),
        row("OptInRequired", None, "", Final, COMMON),
        row("InvalidAction", None, "", Final, COMMON),
        row("InvalidParameterCombination", None, "", Final, COMMON),
        row("InvalidParameterValue", None, "", Final, COMMON),
        row("InvalidQueryParameter", None, "", Final, COMMON),
        row("MalformedQueryString", None, "", Final, COMMON),
        row("MissingAction", None, "", Final, COMMON),
        row("MissingParameter", None, "", Final, COMMON),
        row("MissingAuthenticationToken", None, "", Final, COMMON),
        row("Throttling", None, "", Passing, TOO_MANY),
        row("ThrottlingException", None, "", Passing, COMMON),
        row("RequestLimitExceeded", None, "", Passing, TOO_MANY),
        row("InternalFailure", None, "", Passing, COMMON),
        row("InternalError", None, "", Passing, COMMON),
        row("ServiceUnavailable", None, "", Passing, COMMON),
        row("RequestExpired", None, "", Passing, CLOCK),
        row("ExpiredToken", None, "", Passing, CLOCK),
        row("ExpiredTokenException", None, "", Passing, CLOCK),
        row("InvalidClientTokenId", None, "", Passing, CLOCK),
        row("IncompleteSignature", None, "", Passing, CLOCK),
        row("SignatureDoesNotMatch", None, "", Passing, CLOCK),
    ]
};

/// What a refusal means, by AWS's code and message.
pub fn meaning(call: Call, code: &str, message: &str) -> Meaning {
    let fits = |row: &&Row| {
        row.code == code && row.call.is_none_or(|of| of == call) && message.contains(row.message)
    };
    ROWS.iter().find(fits).map_or(Meaning::Passing, |row| row.meaning)
}

/// So long a run of characters of Base64 is a credential, not a word.
const SECRET: usize = 40;

/// A text from outside as it may stand in a sentence: one line, bounded, and without what could be a credential that
/// the other side echoes: `secrets`, whatever follows `CFN_V1`, and any long run of Base64.
pub fn shown(text: &str, secrets: &[&str]) -> String {
    let mut text = text.split("CFN_V1").next().unwrap_or_default().to_owned();
    for secret in secrets.iter().flat_map(|secret| secret.lines()).map(str::trim) {
        if secret.len() >= 8 {
            text = text.replace(secret, "…");
        }
    }
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for part in word.split_inclusive(|c| !is_base64(c)) {
            let run = part.trim_end_matches(|c| !is_base64(c));
            line.push_str(if run.len() >= SECRET { "…" } else { run });
            line.push_str(&part[run.len()..]);
        }
    }
    bounded(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_source_and_none_hides_behind_another() {
        for (n, row) in ROWS.iter().enumerate() {
            assert!(row.source.len() > 20, "{}", row.code);
            let call = row.call.unwrap_or(Call::SignalResource);
            let first = ROWS.iter().position(|r| {
                r.code == row.code && r.call.is_none_or(|of| of == call) && row.message.contains(r.message)
            });
            assert_eq!(first, Some(n), "{} {:?} is never reached", row.code, row.message);
        }
    }

    #[test]
    fn nobody_listens_where_the_stack_is_complete_or_gone_or_the_group_does_not_know_the_instance() {
        use Call::{SetInstanceHealth, SignalResource};
        for (call, message) in [
            (SignalResource, "Stack arn:… is in UPDATE_COMPLETE state and cannot be signaled"),
            (SignalResource, "Stack with id kafka does not exist"),
            (SignalResource, "Resource Brokers does not exist for stack kafka"),
            (SetInstanceHealth, "Instance Id not found - No managed instance found for instance ID: i-0a"),
        ] {
            assert_eq!(meaning(call, "ValidationError", message), Meaning::Nobody, "{message}");
        }
        assert_eq!(meaning(SignalResource, "ValidationError", "1 validation error"), Meaning::Final);
    }

    #[test]
    fn a_pending_update_of_the_group_passes_and_so_does_what_is_not_known() {
        for code in ["ResourceContention", "Throttling", "ServiceUnavailable", "RequestExpired", "Brandnew"] {
            assert_eq!(meaning(Call::SetInstanceHealth, code, ""), Meaning::Passing, "{code}");
        }
        assert_eq!(meaning(Call::SignalResource, "AccessDenied", ""), Meaning::Forbidden);
    }

    #[test]
    fn an_echoed_credential_is_cut_out_and_the_rest_is_one_bounded_line() {
        let document = "{\n  \"accountId\" : \"123456789012\",\n  \"instanceId\" : \"i-0a\"\n}";
        let signature = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4";
        let echoed = format!("denied: \"{document}\" by {signature}; Authorization: CFN_V1 abc:{signature}");
        let text = shown(&echoed, &[document, "abc"]);
        assert_eq!(text, "denied: \"{ … … }\" by …; Authorization:");
        // A part of it, cut elsewhere.
        assert_eq!(shown(&format!("x\n{}y", &signature[..44]), &[]), "x …");
        assert!(shown(&"word ".repeat(1000), &[]).len() < 500);
        assert_eq!(shown("no\tcode\r\n<html>", &[]), "no code <html>");
    }
}
