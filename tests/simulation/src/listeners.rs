//! CloudFormation and Auto Scaling as the region has them.

use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Receipt, SignalError, Signals, Transition};
use berth_plan::listeners::{Call, Meaning, meaning};
use region::model::{CallError, Request, SetHealthRequest, SignalRequest};
use std::sync::Arc;

pub(crate) struct Listeners(pub(crate) Arc<Caller>);

impl Listeners {
    async fn tell(&self, call: Call, request: Request) -> Result<Receipt, SignalError> {
        match self.0.aws(request).await {
            Ok(_) => Ok(Receipt::Heard),
            Err(CallError::Refused(refused)) => match meaning(call, &refused.code, &refused.message) {
                Meaning::Nobody => Ok(Receipt::Nobody(refused.to_string())),
                Meaning::Passing => Err(SignalError::Passing(refused.to_string())),
                Meaning::Final | Meaning::Forbidden => Err(SignalError::Final(refused.to_string())),
            },
            Err(error) => Err(SignalError::Passing(error.to_string())),
        }
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

    async fn complete_hook(&self, transition: Transition, proceed: bool) -> Result<Receipt, SignalError> {
        self.0.local("complete hook", 40, |s, me| s.hooks.push((me.to_owned(), transition, proceed))).await;
        Ok(Receipt::Heard)
    }

    async fn extend_hook(&self, _transition: Transition) -> Result<Receipt, SignalError> {
        Ok(Receipt::Nobody("no hook".to_owned()))
    }

    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError> {
        let instance = self.0.instance.clone();
        let health = if healthy { "Healthy" } else { "Unhealthy" }.to_owned();
        let request = SetHealthRequest { instance, health, respect_grace: false };
        self.tell(Call::SetInstanceHealth, Request::SetInstanceHealth(request)).await
    }
}
