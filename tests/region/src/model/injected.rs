//! Refusals on demand, in the words of each API.

use super::sources::*;
use super::*;

/// What EC2 sends with a missing permission; only sts:DecodeAuthorizationMessage can read it.
const ENCODED: &str = "Encoded authorization failure message: qV1zJ0iK3mF7sXo9bT2wYc5uR8dH4nLaGe6vPj";

/// What happens to a call, as EC2 has it and as the query services have it.
fn said(
    api: &str,
    ec2: (&'static Rule, &'static str),
    query: (&'static Rule, &'static str),
) -> Option<Refusal> {
    let (rule, message) = if api == "ec2" { ec2 } else { query };
    Some(Refusal::of(rule, message))
}

impl Region {
    /// The refusal that a fault stands for; none where it is of another nature.
    pub(super) fn injected_refusal(
        &self,
        caller: &Caller,
        api: &str,
        action: &str,
        kind: FaultKind,
    ) -> Option<Refusal> {
        match kind {
            FaultKind::Throttle => {
                said(api, (&REQUEST_LIMIT, "Request limit exceeded."), (&QUERY_THROTTLING, "Rate exceeded"))
            }
            FaultKind::ServerError => {
                let message = "An internal error has occurred";
                said(api, (&INTERNAL_ERROR, message), (&INTERNAL_FAILURE, message))
            }
            FaultKind::Unavailable => {
                let message = "The service is unavailable. Please try again shortly.";
                said(api, (&UNAVAILABLE, message), (&SERVICE_UNAVAILABLE, message))
            }
            FaultKind::BadCredentials => said(
                api,
                (&AUTH_FAILURE, "AWS was not able to validate the provided access credentials"),
                (&QUERY_UNKNOWN_KEY, "The security token included in the request is invalid."),
            ),
            FaultKind::Expired => said(
                api,
                (&EC2_EXPIRED, "Request has expired."),
                (&QUERY_EXPIRED, "The security token included in the request is expired"),
            ),
            FaultKind::Unauthorized => Some(self.unauthorized(caller, api, action)),
            FaultKind::Contention => {
                let message = "You already have a pending update to an Amazon EC2 Auto Scaling resource \
                    (for example, an Auto Scaling group, instance, or load balancer).";
                Some(Refusal::of(&RESOURCE_CONTENTION, message))
            }
            FaultKind::Refuse { status, code, message } => Some(Refusal::injected(status, code, message)),
            _ => None,
        }
    }

    fn unauthorized(&self, caller: &Caller, api: &str, action: &str) -> Refusal {
        let role = caller.instance.as_deref().and_then(|id| {
            let name = self.instance(id)?.launch.profile.clone().unwrap_or_else(|| "role".into());
            Some(format!("assumed-role/{name}/{id}"))
        });
        let (service, who) = role.map_or(("iam", "user/operator".to_owned()), |role| ("sts", role));
        let (partition, account) = (&self.settings.partition, &self.settings.account);
        let denied = format!(
            "User: arn:{partition}:{service}::{account}:{who} is not authorized to perform: {api}:{action} because no \
                identity-based policy allows the {api}:{action} action"
        );
        if api == "ec2" {
            let message = format!("You are not authorized to perform this operation. {denied}. {ENCODED}");
            return Refusal::of(&UNAUTHORIZED, message);
        }
        Refusal::of(&ACCESS_DENIED, denied)
    }
}
