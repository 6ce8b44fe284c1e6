//! CloudFormation and Auto Scaling as the region has them.

use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Hook, Receipt, SignalError, Signals, Transition};
use berth_plan::listeners::{Call, Meaning, meaning};
use region::model::{
    self, ActionRequest, Answer, CallError, CompleteActionRequest, DescribeHooksRequest, HookResult, Request,
    SetHealthRequest, SignalRequest,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Listeners(pub(crate) Arc<Caller>);

impl Listeners {
    async fn tell(&self, call: Call, request: Request) -> Result<Receipt, SignalError> {
        self.0.aws(request).await.map_or_else(|error| judged(call, error), |_| Ok(Receipt::Heard))
    }

    fn group(&self) -> Option<String> {
        self.0.world.with(|s| s.region.instance(&self.0.instance)?.group.clone())
    }

    fn action(&self, hook: &Hook) -> ActionRequest {
        ActionRequest {
            group: hook.group.clone(),
            hook: hook.name.clone(),
            instance: Some(self.0.instance.clone()),
            token: None,
        }
    }
}

fn judged(call: Call, error: CallError) -> Result<Receipt, SignalError> {
    let CallError::Refused(refused) = error else { return Err(SignalError::Passing(error.to_string())) };
    match meaning(call, &refused.code, &refused.message) {
        Meaning::Nobody => Ok(Receipt::Nobody(refused.to_string())),
        Meaning::Passing => Err(SignalError::Passing(refused.to_string())),
        Meaning::Final | Meaning::Forbidden => Err(SignalError::Final(refused.to_string())),
    }
}

#[async_trait]
impl Signals for Listeners {
    async fn outcome(&self, success: bool) -> Result<Receipt, SignalError> {
        let Some((stack, resource)) = self.0.world.with(|s| s.rules.stack.clone()) else {
            return Ok(Receipt::Nobody("no stack".to_owned()));
        };
        let status = if success { "SUCCESS" } else { "FAILURE" }.to_owned();
        let unique_id = self.0.instance.clone();
        self.tell(
            Call::SignalResource,
            Request::SignalResource(SignalRequest { stack, resource, unique_id, status }),
        )
        .await
    }

    async fn hooks(&self, transition: Transition) -> Result<Vec<Hook>, SignalError> {
        let Some(group) = self.group() else { return Ok(Vec::new()) };
        let request = DescribeHooksRequest { group: group.clone(), hooks: Vec::new() };
        let word = match transition {
            Transition::Launching => model::Transition::Launching,
            Transition::Terminating => model::Transition::Terminating,
        };
        match self.0.aws(Request::DescribeLifecycleHooks(request)).await {
            Ok(Answer::Hooks(hooks)) => Ok(hooks
                .into_iter()
                .filter(|hook| hook.transition == word.word())
                .map(|hook| Hook {
                    name: hook.name,
                    group: group.clone(),
                    timeout: Duration::from_secs(hook.heartbeat),
                })
                .collect()),
            Ok(other) => unreachable!("{other:?}"),
            Err(error) => judged(Call::LifecycleAction, error).map(|_| Vec::new()),
        }
    }

    async fn complete_hook(&self, hook: &Hook, proceed: bool) -> Result<Receipt, SignalError> {
        let result = if proceed { HookResult::Continue } else { HookResult::Abandon };
        let request = CompleteActionRequest { action: self.action(hook), result };
        self.tell(Call::LifecycleAction, Request::CompleteLifecycleAction(request)).await
    }

    async fn extend_hook(&self, hook: &Hook) -> Result<Receipt, SignalError> {
        let request = Request::RecordLifecycleActionHeartbeat(self.action(hook));
        self.tell(Call::LifecycleAction, request).await
    }

    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError> {
        let instance = self.0.instance.clone();
        let health = if healthy { "Healthy" } else { "Unhealthy" }.to_owned();
        let request = SetHealthRequest { instance, health, respect_grace: false };
        self.tell(Call::SetInstanceHealth, Request::SetInstanceHealth(request)).await
    }
}
