//! Life-cycle hooks of this instance's group. They are found by the API: nobody has to configure their names.

use super::refused;
use super::signals::Listeners;
use berth_lifecycle::ports::{CloudError, Receipt, SignalError, Transition};
use berth_plan::listeners::{Call, Meaning, meaning, shown};

/// What is said to a hook.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    /// CompleteLifecycleAction: CONTINUE where it proceeds, else ABANDON.
    Complete { proceed: bool },
    /// RecordLifecycleActionHeartbeat.
    Extend,
}

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
    /// Says it to every hook of the transition. Heard where one heard it; the first failure is told once all were tried.
    pub(super) async fn each_hook(&self, transition: Transition, word: Word) -> Result<Receipt, SignalError> {
        let Some(group) = self.group().await? else {
            return Ok(Receipt::Nobody("this instance belongs to no Auto Scaling group".to_owned()));
        };
        let hooks = match self.hooks(&group, transition).await {
            Ok(hooks) => hooks,
            Err(error) => return judged(&error),
        };
        let mut receipt = Receipt::Nobody(format!("group {group} has no hook for {}", name(transition)));
        let mut failed = None;
        for hook in hooks {
            match self.say(&group, &hook, word).await {
                Ok(Receipt::Heard) => receipt = Receipt::Heard,
                Ok(nobody) if receipt != Receipt::Heard => receipt = nobody,
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(receipt), Err)
    }

    /// Asked for at every transition: a hook may be younger than the group (kops #16583).
    async fn hooks(&self, group: &str, transition: Transition) -> Result<Vec<String>, CloudError> {
        let answer = self.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group).send().await;
        let answer = answer.map_err(|error| refused(format!("DescribeLifecycleHooks of {group}"), error))?;
        let of = |hook: &&aws_sdk_autoscaling::types::LifecycleHook| {
            hook.lifecycle_transition() == Some(name(transition))
        };
        let names = answer.lifecycle_hooks().iter().filter(of).filter_map(|hook| hook.lifecycle_hook_name());
        Ok(names.map(str::to_owned).collect())
    }

    async fn say(&self, group: &str, hook: &str, word: Word) -> Result<Receipt, SignalError> {
        let (client, me) = (&self.autoscaling, self.me.as_str());
        let told = match word {
            Word::Complete { proceed } => {
                let result = if proceed { "CONTINUE" } else { "ABANDON" };
                let call = client.complete_lifecycle_action().auto_scaling_group_name(group);
                let call = call.lifecycle_hook_name(hook).instance_id(me).lifecycle_action_result(result);
                let what = format!("CompleteLifecycleAction {result} of {hook} for {me}");
                call.send().await.map(drop).map_err(|error| refused(what, error))
            }
            Word::Extend => {
                let call = client.record_lifecycle_action_heartbeat().auto_scaling_group_name(group);
                let call = call.lifecycle_hook_name(hook).instance_id(me);
                let what = format!("RecordLifecycleActionHeartbeat of {hook} for {me}");
                call.send().await.map(drop).map_err(|error| refused(what, error))
            }
        };
        told.map_or_else(|error| judged(&error), |()| Ok(Receipt::Heard))
    }
}
