//! CloudFormation and Auto Scaling as the region has them.

use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Receipt, SignalError, Signals};
use region::model::{CallError, Request, SetHealthRequest, SignalRequest};
use std::sync::Arc;

pub(crate) struct Listeners(pub(crate) Arc<Caller>);

impl Listeners {
    async fn tell(&self, request: Request) -> Result<Receipt, SignalError> {
        match self.0.aws(request).await {
            Ok(_) => Ok(Receipt::Heard),
            Err(CallError::Refused(refused))
                if refused.message.contains("cannot be signaled")
                    || refused.message.contains("not found") =>
            {
                Ok(Receipt::Nobody(refused.to_string()))
            }
            Err(CallError::Refused(refused)) if refused.code == "ValidationError" => {
                Err(SignalError::Final(refused.to_string()))
            }
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
        self.tell(Request::SignalResource(SignalRequest { stack, resource, unique_id, status })).await
    }

    async fn unhealthy(&self) -> Result<Receipt, SignalError> {
        let instance = self.0.instance.clone();
        let request = SetHealthRequest { instance, health: "Unhealthy".to_owned(), respect_grace: false };
        self.tell(Request::SetInstanceHealth(request)).await
    }
}
