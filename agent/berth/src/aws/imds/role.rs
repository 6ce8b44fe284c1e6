//! The credentials of this instance's role, from its metadata.

use super::client::Client;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use berth_plan::RoleName;
use berth_plan::remote_text::quoted;
use serde::Deserialize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const PATH: &str = "meta-data/iam/security-credentials/";

/// How long credentials are used that had ended when they were given: the service renews them late now and then, and EC2
/// decides what it takes (AWS SDKs, "static stability").
const EXTENDED: Duration = Duration::from_secs(600);

/// Provides them, new ones before the last have ended: the SDK asks when it needs to.
#[derive(Debug)]
pub(crate) struct InstanceRole {
    imds: Arc<Client>,
    last: Mutex<Option<Credentials>>,
}

/// What the service answers (EC2 user guide, "Retrieve security credentials from instance metadata").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

impl InstanceRole {
    pub(crate) fn new(imds: Arc<Client>) -> Self {
        Self { imds, last: Mutex::new(None) }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match self.read().await {
            Ok(credentials) => {
                *self.last.lock().expect("no holder of this lock panics") = Some(credentials.clone());
                Ok(credentials)
            }
            // A metadata service that fails now does not take away what it gave before.
            Err(error) => self.kept().ok_or(error),
        }
    }

    fn kept(&self) -> Option<Credentials> {
        self.last.lock().expect("no holder of this lock panics").clone()
    }

    async fn read(&self) -> Result<Credentials, CredentialsError> {
        let failed = |why: String| CredentialsError::provider_error(format!("{PATH}: {why}"));
        let Some(roles) = self.imds.get(PATH).await.map_err(failed)? else {
            return Err(CredentialsError::not_loaded("received 404 from IMDS"));
        };
        // It goes into a path.
        let role: RoleName = roles.parse().map_err(|error| failed(format!("{error}")))?;
        let failed =
            |why: String| CredentialsError::provider_error(format!("the credentials of role {role} {why}"));
        let text = self.imds.get(&format!("{PATH}{role}")).await;
        let text = text.map_err(|why| failed(format!("were not given: {why}")))?;
        let text = text.ok_or_else(|| failed("are not there yet (404)".to_owned()))?;
        // Never with the text: it has the key.
        let answer: Answer = serde_json::from_str(&text).map_err(|_| failed("cannot be read".to_owned()))?;
        if answer.code != "Success" {
            let message = answer.message.unwrap_or_default();
            return Err(failed(format!("were not given: {}: {}", quoted(&answer.code), quoted(&message))));
        }
        let expiration = answer.expiration.and_then(|at| humantime::parse_rfc3339(&at).ok());
        match (answer.access_key_id, answer.secret_access_key, answer.token, expiration) {
            (Some(id), Some(key), Some(token), Some(expiration)) => {
                let expiration = expiration.max(SystemTime::now() + EXTENDED);
                Ok(Credentials::new(id, key, Some(token), Some(expiration), "IMDSv2"))
            }
            _ => Err(failed("cannot be read".to_owned())),
        }
    }
}

impl ProvideCredentials for InstanceRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.kept()
    }
}
