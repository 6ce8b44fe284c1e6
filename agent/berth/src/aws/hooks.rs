//! Life-cycle hooks of this instance's group. They are found by the API: nobody has to configure their names.

use super::refused;
use super::signals::Listeners;
use berth_lifecycle::ports::{CloudError, Hook, Receipt, SignalError, Transition};
use berth_plan::listeners::{Call, Meaning, meaning, shown};
use std::time::Duration;

/// As Auto Scaling names it (API reference, LifecycleHook, LifecycleTransition).
fn name(transition: Transition) -> &'static str {
    match transition {
        Transition::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
        Transition::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
    }
}

fn judged(error: &CloudError) -> Result<Receipt, SignalError> {
    let text = shown(&error.to_string(), &[]);
    match meaning(Call::LifecycleAction, &error.code, &error.message) {
        Meaning::Nobody => Ok(Receipt::Nobody(text)),
        Meaning::Passing => Err(SignalError::Passing(text)),
        Meaning::Final | Meaning::Forbidden => Err(SignalError::Final(text)),
    }
}

impl Listeners {
    pub(super) async fn hooks_of(&self, transition: Transition) -> Result<Vec<Hook>, SignalError> {
        let Some(group) = self.group().await? else { return Ok(Vec::new()) };
        let answer = self.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(&group).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let judged = judged(&refused(format!("DescribeLifecycleHooks of {group}"), error));
                return judged.map(|_| Vec::new());
            }
        };
        let hooks = answer.lifecycle_hooks().iter();
        let hooks = hooks.filter(|hook| hook.lifecycle_transition() == Some(name(transition)));
        let read = hooks.filter_map(|hook| {
            let seconds = u64::try_from(hook.heartbeat_timeout()?).ok()?;
            let (name, timeout) = (hook.lifecycle_hook_name()?.to_owned(), Duration::from_secs(seconds));
            Some(Hook { name, group: group.clone(), timeout })
        });
        Ok(read.collect())
    }

    pub(super) async fn complete(&self, hook: &Hook, proceed: bool) -> Result<Receipt, SignalError> {
        let (me, Hook { name, group, .. }) = (self.me.as_str(), hook);
        let result = if proceed { "CONTINUE" } else { "ABANDON" };
        let call = self.autoscaling.complete_lifecycle_action().auto_scaling_group_name(group);
        let call = call.lifecycle_hook_name(name).instance_id(me).lifecycle_action_result(result);
        match call.send().await {
            Ok(_) => Ok(Receipt::Heard),
            Err(error) => {
                judged(&refused(format!("CompleteLifecycleAction {result} of {name} for {me}"), error))
            }
        }
    }

    pub(super) async fn extend(&self, hook: &Hook) -> Result<Receipt, SignalError> {
        let (me, Hook { name, group, .. }) = (self.me.as_str(), hook);
        let call = self.autoscaling.record_lifecycle_action_heartbeat().auto_scaling_group_name(group);
        match call.lifecycle_hook_name(name).instance_id(me).send().await {
            Ok(_) => Ok(Receipt::Heard),
            Err(error) => {
                judged(&refused(format!("RecordLifecycleActionHeartbeat of {name} for {me}"), error))
            }
        }
    }
}
