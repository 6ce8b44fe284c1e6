//! ZooKeeper: one session at a time, opened when it is needed, and never silently replaced under a caller's feet.
//!
//! A session that expired takes its intents with it; what hung on them then fails its own check. The client's own
//! lock recipe is not used: a call that loses its reply leaves its lock node in the queue until the session ends.

mod ensemble;
mod paths;

pub(crate) use paths::Paths;

use berth_plan::config::Config;
use berth_plan::remote_text::bounded;
use ensemble::Ensemble;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zookeeper_client::{Client, Error, SessionState};

/// Asked for; the server clamps it to 2 to 20 of its ticks.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one call may take before its outcome is unknown.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the end of a session is waited for, so that the next one does not queue behind its own old nodes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The ensemble, and the session with it.
pub(crate) struct Zookeeper {
    hosts: Vec<String>,
    pub(crate) paths: Paths,
    session: Mutex<Option<Client>>,
    /// The nodes of berth's tree, the chroot included, that this run made; parents first.
    pub(crate) made: std::sync::Mutex<Vec<String>>,
}

impl Zookeeper {
    /// Nothing is opened yet.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            hosts: config.zookeeper_hosts.clone(),
            paths: Paths::new(&config.chroot, &config.cluster),
            session: Mutex::new(None),
            made: std::sync::Mutex::default(),
        })
    }

    /// The session's client: the one that is open, or a new one.
    pub(crate) async fn client(&self) -> Result<Client, NotDone> {
        let mut session = self.session.lock().await;
        if let Some(client) = session.as_ref()
            && !client.state().is_terminated()
        {
            return Ok(client.clone());
        }
        *session = None;
        let client = self.connected().await?;
        *session = Some(client.clone());
        Ok(client)
    }

    async fn connected(&self) -> Result<Client, NotDone> {
        let Ensemble { addresses, unresolved } = Ensemble::resolve(&self.hosts).await;
        let hosts = self.hosts.join(",");
        let unresolved = unresolved.join("; ");
        if addresses.is_empty() {
            return Err(NotDone::Away(format!(
                "connect to ZooKeeper at {hosts}: {unresolved}; look at DNS: the names in `zookeeper`, /etc/resolv.conf, the resolver of the VPC"
            )));
        }
        if !unresolved.is_empty() {
            tracing::warn!("of the hosts of ZooKeeper {unresolved}; the others are used");
        }
        let away = |why: String| {
            let tried = ensemble::shown(&addresses);
            NotDone::Away(format!(
                "connect to ZooKeeper at {hosts}: {why}, by {tried} (is it up, and do routes and security groups let this instance reach it?)"
            ))
        };
        let connector = Client::connector()
            .with_session_timeout(SESSION_TIMEOUT)
            .with_connection_timeout(ensemble::patience(SESSION_TIMEOUT, addresses.len()));
        let servers = ensemble::servers(&addresses);
        match timeout(SESSION_TIMEOUT + Duration::from_secs(2), connector.connect(&servers)).await {
            Ok(Ok(client)) => {
                tracing::debug!(session = %client.session_id(), timeout = ?client.session_timeout(), "session opened");
                Ok(client)
            }
            Ok(Err(error)) => Err(away(bounded(&error.to_string()))),
            Err(_) => Err(away(format!("no session within {} s", SESSION_TIMEOUT.as_secs() + 2))),
        }
    }

    /// Ends the session and waits until the server knows, so that nobody waits for its ephemeral nodes.
    pub(crate) async fn close(&self) {
        let Some(client) = self.session.lock().await.take() else { return };
        let mut watcher = client.state_watcher();
        drop(client);
        let closed = async { while !watcher.changed().await.is_terminated() {} };
        if timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::debug!("the session was not seen to close; it ends with its time-out");
        }
    }

    /// What a call that failed means. A session whose calls lose their replies is not used again.
    pub(crate) async fn failed(&self, failure: Failure) -> NotDone {
        if let Failure::Unknown(Error::SessionExpired, _) = &failure {
            self.close().await;
        }
        failure.into()
    }
}

/// How a call failed.
pub(crate) enum Failure {
    /// It was not carried out.
    Certain(Error, String),
    /// It may have been.
    Unknown(Error, String),
    /// No answer in time.
    Late(String),
}

/// Why something was not done, in a sentence. What that means each port says for itself.
pub(crate) enum NotDone {
    /// ZooKeeper said no: what stands there is not what was expected.
    Conflict(String),
    /// It may have been done: not reachable, no answer, or the session is over.
    Away(String),
    /// ZooKeeper does not let berth do it.
    Refused(String),
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        let said = |error: &Error| bounded(&error.to_string());
        match failure {
            Failure::Certain(
                error @ (Error::NoAuth | Error::AuthFailed | Error::InvalidAcl | Error::QuotaExceeded),
                what,
            ) => Self::Refused(format!(
                "{what}: {}; give berth the right to do this in ZooKeeper",
                said(&error)
            )),
            Failure::Certain(error, what) => Self::Conflict(format!("{what}: {}", said(&error))),
            Failure::Unknown(error, what) => Self::Away(format!("{what}: {}", said(&error))),
            Failure::Late(what) => {
                Self::Away(format!("{what}: no answer within {} s", CALL_TIMEOUT.as_secs()))
            }
        }
    }
}

/// Makes one call, bounded in time. Anything but a server's plain "no" leaves the outcome unknown.
pub(crate) async fn called<T, E: Into<Error>>(
    what: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let error = match timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.into(),
        Err(_) => return Err(Failure::Late(what.to_owned())),
    };
    let what = what.to_owned();
    Err(match error {
        Error::NoNode
        | Error::NodeExists
        | Error::BadVersion
        | Error::NotEmpty
        | Error::NoAuth
        | Error::AuthFailed
        | Error::InvalidAcl
        | Error::QuotaExceeded
        | Error::RuntimeInconsistent => Failure::Certain(error, what),
        other => Failure::Unknown(other, what),
    })
}

/// Whether a session is over.
pub(crate) fn is_over(client: &Client) -> bool {
    client.state().is_terminated() || client.state() == SessionState::Expired
}
