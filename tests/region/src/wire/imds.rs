//! The metadata service on the wire: who asks is told by the address the request comes from, as on a real host.

use std::time::Duration;

use crate::model::ImdsRequest;

use super::Served;
use super::http::{Asked, Outcome, Reply};

/// How the asking instance is known.
#[derive(Clone, Debug)]
pub enum Identify {
    /// By a private address of an attached interface.
    ByAddress,
    /// It is always this one.
    Always(String),
}

pub(super) async fn answer(served: &Served, identify: &Identify, asked: &Asked) -> Outcome {
    let (answer, slow) = served.with(|region| {
        let instance = match identify {
            Identify::Always(instance) => Some(instance.clone()),
            Identify::ByAddress => region.instance_at(asked.peer.ip()),
        };
        let Some(instance) = instance.filter(|id| region.instance(id).is_some()) else { return (None, None) };
        let request = ImdsRequest { method: &asked.method, path: &asked.path, headers: &asked.headers };
        (Some(region.imds(&instance, &request)), region.take_slow())
    });
    if let Some(longer) = slow {
        tokio::time::sleep(Duration::from_millis(longer)).await;
    }
    match answer {
        Some(answer) if !answer.dropped => {
            let mut headers = answer.headers;
            headers.push(("Server".into(), "EC2ws".into()));
            Outcome::Reply(Reply { status: answer.status, headers, body: answer.body })
        }
        Some(_) => Outcome::Reset,
        None => {
            tracing::warn!(peer = %asked.peer, "metadata asked from an address that no instance has");
            Outcome::Close
        }
    }
}
