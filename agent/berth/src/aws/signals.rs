//! CloudFormation and Auto Scaling, as listeners.
//!
//! SignalResource goes out signed by the role; where the role may not, by the instance's identity document, as
//! cfn-signal does (`Authorization: CFN_V1`), which needs no permission.

use super::{NO_CREDENTIALS, chain, refused};
use crate::aws::tags::MyTags;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::ResourceSignalStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use berth_lifecycle::ports::{Cloud, Hook, Receipt, SignalError, Signals, Transition};
use berth_plan::config::{Config, Telling};
use berth_plan::listeners::{Call, Meaning, meaning, shown};
use berth_plan::{Domain, InstanceId, Region};
use std::sync::Arc;
use std::time::Duration;

/// The listeners of one instance.
pub(crate) struct Listeners {
    cloudformation: aws_sdk_cloudformation::Client,
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    pub(super) me: InstanceId,
    region: Region,
    domain: Domain,
    stack: Telling,
    resource: Option<String>,
    group: Telling,
    tags: Arc<MyTags>,
    cloud: Arc<dyn Cloud>,
}

impl Listeners {
    pub(crate) fn new(
        sdk: &SdkConfig,
        config: &Config,
        me: InstanceId,
        region: Region,
        domain: Domain,
        tags: Arc<MyTags>,
        cloud: Arc<dyn Cloud>,
    ) -> Self {
        Self {
            cloudformation: aws_sdk_cloudformation::Client::new(sdk),
            autoscaling: aws_sdk_autoscaling::Client::new(sdk),
            me,
            region,
            domain,
            stack: config.stack.clone(),
            resource: config.resource.clone(),
            group: config.group.clone(),
            tags,
            cloud,
        }
    }

    /// The group; none where this instance is in none, or nobody is to be told.
    pub(super) async fn group(&self) -> Result<Option<String>, SignalError> {
        self.named(&self.group, "aws:autoscaling:groupName").await
    }

    /// To whom something is told. Tags that nobody has read yet are asked for: silence must not come of that.
    async fn named(&self, telling: &Telling, tag: &str) -> Result<Option<String>, SignalError> {
        match telling {
            Telling::Nobody => Ok(None),
            Telling::Named(name) => Ok(Some(name.clone())),
            Telling::Auto => self.tag(tag).await,
        }
    }

    async fn tag(&self, tag: &str) -> Result<Option<String>, SignalError> {
        if !self.tags.are_known() {
            let me = [self.me.clone()].into();
            self.cloud.instances(&me).await.map_err(|error| SignalError::Passing(error.to_string()))?;
        }
        if !self.tags.are_known() {
            return Err(SignalError::Passing(format!("EC2 does not show {} and its tags yet", self.me)));
        }
        Ok(self.tags.get(tag))
    }

    /// The no-permission way: signed by the instance's own identity document. The document and its signature are a
    /// credential for this stack's signals: they are sent to CloudFormation alone and never logged.
    async fn signal_by_document(
        &self,
        stack: &str,
        resource: &str,
        success: bool,
    ) -> Result<Receipt, SignalError> {
        let passing = |why: &str| {
            let why = shown(why, &[]);
            SignalError::Passing(format!("SignalResource {resource} of {stack} by CFN_V1: {why}"))
        };
        let imds = crate::aws::imds::Client::new().map_err(|why| passing(&why))?;
        let fetch = async |what: &str| match imds.get(&format!("dynamic/instance-identity/{what}")).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(passing(&format!("the identity {what} is not there yet (404)"))),
            Err(why) => Err(passing(&format!("the identity {what}: {why}"))),
        };
        let document = fetch("document").await?;
        let signature: String = fetch("signature").await?.split_whitespace().collect();
        let encoded = STANDARD.encode(document.trim_end());
        let credential = format!("CFN_V1 {encoded}:{signature}");
        let mut authorization =
            reqwest::header::HeaderValue::from_str(&credential).map_err(|e| passing(&e.to_string()))?;
        authorization.set_sensitive(true);
        let endpoint = std::env::var("AWS_ENDPOINT_URL_CLOUDFORMATION")
            .or_else(|_| std::env::var("AWS_ENDPOINT_URL"))
            .unwrap_or_else(|_| format!("https://cloudformation.{}.{}", self.region, self.domain));
        let status = if success { "SUCCESS" } else { "FAILURE" };
        let query = [
            ("Action", "SignalResource"),
            ("ContentType", "JSON"),
            ("LogicalResourceId", resource),
            ("StackName", stack),
            ("Status", status),
            ("UniqueId", self.me.as_str()),
            ("Version", "2010-05-15"),
        ];
        let mut url = reqwest::Url::parse(&endpoint).map_err(|e| passing(&e.to_string()))?;
        url.query_pairs_mut().extend_pairs(query);
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(20))
            .build()
            .map_err(|e| passing(&chain(&e)))?;
        let request =
            client.get(url).header("Accept", "application/json").header("Authorization", authorization);
        let answer = request.send().await.map_err(|e| passing(&chain(&e.without_url())))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|e| passing(&chain(&e.without_url())))?;
        if status.is_success() {
            return Ok(Receipt::Heard);
        }
        let (code, message) = error_of(&body);
        // What it answers may have the request in it, and with it the credential.
        let detail = shown(&format!("HTTP {status}: {code}: {message}"), &[&document, &encoded, &signature]);
        let detail = format!("SignalResource {resource} of {stack} by CFN_V1: {detail}");
        Err(match meaning(Call::SignalResource, &code, &message) {
            Meaning::Nobody => return Ok(Receipt::Nobody(detail)),
            Meaning::Final | Meaning::Forbidden => SignalError::Final(detail),
            Meaning::Passing => SignalError::Passing(detail),
        })
    }
}

/// Code and message of `{"Error":{"Code":…,"Message":…}}`; what else came is a message without a code.
fn error_of(body: &str) -> (String, String) {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let part = |key: &str| value["Error"][key].as_str().unwrap_or_default().to_owned();
    if value["Error"].is_object() {
        (part("Code"), part("Message"))
    } else {
        (String::new(), body.to_owned())
    }
}

#[async_trait]
impl Signals for Listeners {
    async fn outcome(&self, success: bool) -> Result<Receipt, SignalError> {
        let Some(stack) = self.named(&self.stack, "aws:cloudformation:stack-name").await? else {
            return Ok(Receipt::Nobody("this instance belongs to no CloudFormation stack".to_owned()));
        };
        let resource = match &self.resource {
            Some(resource) => Some(resource.clone()),
            None => self.tag("aws:cloudformation:logical-id").await?,
        };
        let Some(resource) = resource else {
            return Ok(Receipt::Nobody(format!(
                "no logical id of the group in stack {stack} is known: set `boot.resource`"
            )));
        };
        let status = if success { ResourceSignalStatus::Success } else { ResourceSignalStatus::Failure };
        let call = self.cloudformation.signal_resource().stack_name(&stack).logical_resource_id(&resource);
        let error = match call.unique_id(self.me.as_str()).status(status).send().await {
            Ok(_) => return Ok(Receipt::Heard),
            Err(error) => refused(format!("SignalResource {resource} of {stack}"), error),
        };
        if error.code == NO_CREDENTIALS {
            return self.signal_by_document(&stack, &resource, success).await;
        }
        match meaning(Call::SignalResource, &error.code, &error.message) {
            Meaning::Passing => Err(SignalError::Passing(shown(&error.to_string(), &[]))),
            Meaning::Nobody => Ok(Receipt::Nobody(shown(&error.message, &[]))),
            Meaning::Final => Err(SignalError::Final(shown(&error.to_string(), &[]))),
            Meaning::Forbidden => {
                tracing::info!(%stack, "the role may not signal; the identity document does");
                self.signal_by_document(&stack, &resource, success).await
            }
        }
    }

    async fn hooks(&self, transition: Transition) -> Result<Vec<Hook>, SignalError> {
        self.hooks_of(transition).await
    }

    async fn complete_hook(&self, hook: &Hook, proceed: bool) -> Result<Receipt, SignalError> {
        self.complete(hook, proceed).await
    }

    async fn extend_hook(&self, hook: &Hook) -> Result<Receipt, SignalError> {
        self.extend(hook).await
    }

    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError> {
        let Some(group) = self.group().await? else {
            return Ok(Receipt::Nobody("this instance belongs to no Auto Scaling group".to_owned()));
        };
        let health = if healthy { "Healthy" } else { "Unhealthy" };
        let call = self.autoscaling.set_instance_health().instance_id(self.me.as_str()).health_status(health);
        match call.should_respect_grace_period(false).send().await {
            Ok(_) => Ok(Receipt::Heard),
            Err(error) => {
                let error = refused(format!("SetInstanceHealth of {} in {group}", self.me), error);
                let text = shown(&error.to_string(), &[]);
                match meaning(Call::SetInstanceHealth, &error.code, &error.message) {
                    Meaning::Passing => Err(SignalError::Passing(text)),
                    Meaning::Nobody => Ok(Receipt::Nobody(text)),
                    Meaning::Final | Meaning::Forbidden => Err(SignalError::Final(text)),
                }
            }
        }
    }
}
