//! AWS: one configuration for all clients, and what their errors mean.

mod ec2;
mod hooks;
pub(crate) mod imds;
mod signals;
pub(crate) mod tags;
mod translate;

pub(crate) use ec2::Ec2;
pub(crate) use signals::Listeners;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use berth_lifecycle::ports::{CloudError, Refusal};
use berth_plan::ec2::refusal;
use berth_plan::remote_text::bounded;
use imds::InstanceRole;
use std::sync::Arc;
use std::time::Duration;

/// One configuration: credentials of the instance's role, its region, bounded calls. Endpoints come from the region, or
/// from `AWS_ENDPOINT_URL` and its per-service forms.
///
/// The SDK tries twice, so that it can sign again once it has seen the service's clock; all other patience is the
/// story's, which shows what it waits for. The SDK's adaptive mode would hide waits of up to 20 s after one
/// `RequestLimitExceeded`.
///
/// Credentials are those of the environment or of the instance's role. The SDK's own chain would read the role by its own client
/// of the metadata service, which ends the program at a page where it expects a name.
pub(crate) async fn configuration(region: &berth_plan::Region) -> Result<SdkConfig, String> {
    let role = InstanceRole::new(Arc::new(imds::Client::new()?));
    let credentials =
        CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("Ec2InstanceMetadata", role);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(40))
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(300))
        .with_max_backoff(Duration::from_secs(2));
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_string()))
        .credentials_provider(credentials)
        .retry_config(retries)
        .timeout_config(timeouts);
    Ok(loader.load().await)
}

/// An error with its causes, once each, bounded and on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let line = next.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = next.source();
    }
    bounded(&text.lines().map(str::trim).collect::<Vec<_>>().join("; "))
}

/// The code of a call that was never made, because there was nothing to sign it with.
pub(crate) const NO_CREDENTIALS: &str = "no credentials";

/// Why there were none, where that is why a call failed. A 404 means no role; anything else may pass.
fn no_credentials(chain: &str) -> Option<String> {
    if chain.contains("received 404 from IMDS") {
        let why = "the metadata service has none for this instance (404): it has no role; attach an instance profile to it";
        return Some(why.to_owned());
    }
    chain.to_lowercase().contains("credential").then(|| chain.to_owned())
}

/// An SDK error in our words. EC2's errors are not modelled: `berth_plan` has the table of its codes.
pub(crate) fn refused<E>(call: String, error: SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let request = error.request_id().map(bounded);
    match error.code() {
        Some(code) => {
            let message = error.message().unwrap_or_default();
            let status = error.raw_response().map_or(0, |response| response.status().as_u16());
            let refusal = refusal(&call, code, message, status);
            CloudError { call, refusal, code: bounded(code), message: bounded(message), request }
        }
        None => {
            let message = chain(&error);
            if let Some(message) = no_credentials(&message) {
                let code = NO_CREDENTIALS.to_owned();
                return CloudError { call, refusal: Refusal::Credentials, code, message, request };
            }
            CloudError { call, refusal: Refusal::Unknown, code: "no answer".to_owned(), message, request }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "dispatch failure: other: the credential provider was not enabled: no credentials found in chain. Attempted:\n  Environment: not set\n  Ec2InstanceMetadata: ";

    #[test]
    fn an_error_with_its_causes_is_one_line() {
        let error = std::io::Error::other(format!("{CHAIN}received 404 from IMDS"));
        assert_eq!(chain(&error).lines().count(), 1);
    }

    #[test]
    fn no_role_is_told_from_a_metadata_service_that_does_not_answer() {
        let no_role = no_credentials(&format!("{CHAIN}received 404 from IMDS")).unwrap();
        assert!(no_role.contains("it has no role") && no_role.contains("instance profile"), "{no_role}");
        let silent = no_credentials(&format!("{CHAIN}timed out")).unwrap();
        assert!(silent.contains("timed out") && !silent.contains("role;"), "{silent}");
        assert_eq!(no_credentials("dispatch failure: io error: connection refused"), None);
    }
}
