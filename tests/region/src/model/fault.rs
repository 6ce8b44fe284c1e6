//! Faults on demand: what goes wrong, for which calls, after how many and how often.

use serde::{Deserialize, Serialize};

use super::filter::matches_wildcard;
use super::{Millis, Region};

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The API's throttling error.
    Throttle,
    /// 500 InternalError; nothing is done.
    ServerError,
    /// 503 Unavailable; nothing is done.
    Unavailable,
    /// The connection is reset before the call arrives; nothing is done.
    Reset,
    /// The call is done and its reply never arrives.
    LostReply,
    /// The reply never arrives, and the call is done so many milliseconds later.
    LateCommit(Millis),
    /// This status, code and message.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Message.
        message: String,
    },
    /// The API's answer to a missing permission. IAM is eventually consistent: with `for_ms` it ends by itself.
    Unauthorized,
    /// The API's answer to credentials that it does not know (yet).
    BadCredentials,
    /// The API's answer to a session that has expired.
    Expired,
    /// Auto Scaling's answer to a change beside another one of the same resource.
    Contention,
    /// A describe call shows the state of so many milliseconds ago.
    Stale(Millis),
    /// An attachment is accepted and stays `attaching`.
    StuckAttaching,
    /// A volume's attachment is accepted, and EBS undoes it so many milliseconds later, whatever has become of it.
    Undone(Millis),
    /// A volume's detachment is accepted and hangs `busy`.
    Busy,
    /// A detachment is accepted and stays `detaching` for so many milliseconds.
    DetachingFor(Millis),
    /// The metadata service answers 200 with a page, as a proxy in front of it would.
    Html,
    /// The metadata service answers 200 with an empty body.
    Empty,
    /// The metadata service answers 200 with a body of so many bytes.
    Large(usize),
    /// The reply takes so many milliseconds longer (on the wire only; in process see `take_slow`).
    Slow(Millis),
}

/// A fault to inject. What is not named matches everything; `*` and `?` are wildcards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `ec2`, `autoscaling`, `cloudformation` or `imds`.
    #[serde(default)]
    pub api: Option<String>,
    /// `AttachVolume`, `Describe*`; for `imds` the method and path, `GET /latest/*`.
    #[serde(default)]
    pub action: Option<String>,
    /// The instance that calls.
    #[serde(default)]
    pub caller: Option<String>,
    /// An id among the call's parameters.
    #[serde(default)]
    pub resource: Option<String>,
    /// How many matching calls are let through first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it hits; none = until `clear_faults`.
    #[serde(default)]
    pub count: Option<u32>,
    /// For how many milliseconds from its arming it is in force; none = until its count is used up.
    #[serde(default)]
    pub for_ms: Option<Millis>,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// This happens to the next call of an action.
    pub fn next(action: &str, kind: FaultKind) -> Fault {
        Fault { count: Some(1), ..Fault::always(action, kind) }
    }

    /// This happens to every call of an action until the faults are cleared.
    pub fn always(action: &str, kind: FaultKind) -> Fault {
        Fault {
            api: None,
            action: Some(action.to_owned()),
            caller: None,
            resource: None,
            skip: 0,
            count: None,
            for_ms: None,
            kind,
        }
    }
}

/// A fault with what is left of its counts.
#[derive(Debug)]
pub(super) struct Armed {
    fault: Fault,
    until: Option<Millis>,
}

impl Armed {
    fn in_force(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl FaultKind {
    /// The one API that it can happen to, where it is only one.
    fn only_of(&self) -> Option<&'static str> {
        match self {
            FaultKind::Html | FaultKind::Empty | FaultKind::Large(_) => Some("imds"),
            FaultKind::Contention => Some("autoscaling"),
            FaultKind::StuckAttaching
            | FaultKind::Busy
            | FaultKind::Undone(_)
            | FaultKind::DetachingFor(_)
            | FaultKind::Stale(_) => Some("ec2"),
            _ => None,
        }
    }
}

/// What of a fault reaches into the carrying out of a call.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) stale: Option<Millis>,
    pub(super) stuck: bool,
    pub(super) busy: bool,
    pub(super) undone: Option<Millis>,
    pub(super) detaching_for: Option<Millis>,
}

/// What a call is matched by.
pub(super) struct Subject<'a> {
    pub(super) api: &'a str,
    pub(super) action: &'a str,
    pub(super) caller: Option<&'a str>,
    pub(super) values: Vec<&'a str>,
}

impl Region {
    /// Arms a fault. Of several that match a call the oldest acts.
    pub fn inject(&mut self, fault: Fault) {
        let until = fault.for_ms.map(|long| self.now + long);
        self.faults.push(Armed { fault, until });
    }

    /// Disarms all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Disarms the faults that name this caller.
    pub fn clear_faults_of(&mut self, caller: &str) {
        self.faults.retain(|armed| armed.fault.caller.as_deref() != Some(caller));
    }

    /// The faults still armed.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|armed| armed.in_force(self.now)).map(|armed| &armed.fault)
    }

    /// How much longer the reply of the last call takes, by a `Slow` fault.
    pub fn take_slow(&mut self) -> Option<Millis> {
        self.slow.take()
    }

    pub(super) fn fault_for(&mut self, subject: &Subject<'_>) -> Option<FaultKind> {
        let now = self.now;
        self.faults.retain(|armed| armed.in_force(now));
        for at in 0..self.faults.len() {
            let fault = &mut self.faults[at].fault;
            if !subject.matches(fault) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            let kind = fault.kind.clone();
            match &mut fault.count {
                Some(0) => continue,
                Some(1) => {
                    self.faults.remove(at);
                }
                Some(left) => *left -= 1,
                None => {}
            }
            return Some(kind);
        }
        None
    }
}

impl Subject<'_> {
    fn matches(&self, fault: &Fault) -> bool {
        let like = |pattern: &Option<String>, value: &str| {
            pattern.as_ref().is_none_or(|p| matches_wildcard(p, value))
        };
        fault.kind.only_of().is_none_or(|api| api == self.api)
            && like(&fault.api, self.api)
            && like(&fault.action, self.action)
            && fault
                .caller
                .as_ref()
                .is_none_or(|c| self.caller.is_some_and(|caller| matches_wildcard(c, caller)))
            && fault.resource.as_ref().is_none_or(|r| {
                self.values.iter().any(|value| value.split(',').any(|one| matches_wildcard(r, one)))
            })
    }
}
