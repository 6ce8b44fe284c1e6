//! Calls of the region, with what becomes of them.

use crate::fate::{Death, Fate, Mishap};
use crate::runs::Caller;
use crate::world::Millis;
use berth_lifecycle::ports::{CloudError, Refusal};
use berth_plan::ec2;
use region::model::{Answer, CallError, Caller as Identity, Fault, FaultKind, Request};
use tokio::time::{Duration, sleep};

fn kind(mishap: Mishap, action: &str) -> Option<FaultKind> {
    Some(match mishap {
        Mishap::Lost => FaultKind::LostReply,
        Mishap::Late(after) => FaultKind::LateCommit(after),
        Mishap::Throttled => FaultKind::Throttle,
        Mishap::ServerError => FaultKind::ServerError,
        Mishap::Reset => FaultKind::Reset,
        Mishap::Stale(age) if action.starts_with("Describe") => FaultKind::Stale(age),
        Mishap::Stale(_) | Mishap::SessionExpired => return None,
    })
}

impl Caller {
    /// A call of AWS. It takes its time on the way there and back; the region decides at once and whole.
    pub(crate) async fn aws(&self, request: Request) -> Result<Answer, CallError> {
        let action = request.action();
        let fate = self.life.point(action);
        let takes = self.way(|rules| rules.aws_takes);
        if let Fate::Killed(death) = fate {
            if let Death::InFlight(after) = death {
                self.world.with(|s| {
                    s.region.inject(self.fault(action, FaultKind::LateCommit(after)));
                    let _ = s.region.call(&Identity::instance(&self.instance), request);
                });
            }
            return self.gone().await;
        }
        sleep(Duration::from_millis(takes / 2)).await;
        self.still().await;
        let answer = self.world.with(|s| {
            if let Fate::Mishap(mishap) = fate
                && let Some(kind) = kind(mishap, action)
            {
                s.region.inject(self.fault(action, kind));
            }
            let answer = s.region.call(&Identity::instance(&self.instance), request);
            if let Err(error) = &answer {
                s.tell(format!("{} {action}: {error}", self.instance));
            }
            answer
        });
        sleep(Duration::from_millis(takes - takes / 2)).await;
        self.still().await;
        answer
    }

    fn fault(&self, action: &str, kind: FaultKind) -> Fault {
        Fault { caller: Some(self.instance.clone()), ..Fault::next(action, kind) }
    }

    pub(crate) fn way(&self, of: impl Fn(&crate::scene::Rules) -> (Millis, Millis)) -> Millis {
        self.world.with(|s| {
            let (low, high) = of(&s.rules);
            s.chance.u64(low..=high)
        })
    }
}

/// As a story reads it. As EC2 does, each answer names its own request: no two sentences are equal.
pub(crate) fn refused(call: String, at: Millis, error: &CallError) -> CloudError {
    let (refusal, code, message) = match error {
        CallError::Refused(refused) => {
            let (code, message) = (refused.code.clone(), refused.message.clone());
            (ec2::refusal(&call, &code, &message, refused.status), code, message)
        }
        other => (Refusal::Unknown, other.to_string(), String::new()),
    };
    CloudError { call, refusal, code, message, request: Some(format!("of {at}")) }
}
