//! Entries of the service's own register, and which of them is the service's that this boot started.

use crate::BrokerId;
use serde::{Deserialize, Serialize};

/// Which registration of an id it is, as the register counts it: the transaction id of the node's creation in ZooKeeper
/// mode (czxid).
///
/// Opaque: it is asked only whether two are the same. The claims' revisions are another count, in another store maybe,
/// and are never compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(i64);

impl Incarnation {
    /// As the register counts it. For the register's adapter only.
    pub const fn of_register(number: i64) -> Self {
        Self(number)
    }

    /// The register's own number. For the register's adapter only.
    pub const fn in_register(self) -> i64 {
        self.0
    }
}

/// A host and a port that a broker advertises.
pub type Endpoint = (String, u16);

/// A broker's entry in the service's own register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The id.
    pub id: BrokerId,
    /// Which registration of the id it is.
    pub incarnation: Incarnation,
    /// The hosts and ports that it advertises.
    pub endpoints: Vec<Endpoint>,
}

impl Registration {
    /// Whether it has each of these endpoints. One without a host says only the port: Kafka fills in its own name.
    pub fn has(&self, endpoints: &[Endpoint]) -> bool {
        endpoints.iter().all(|(host, port)| {
            self.endpoints.iter().any(|(h, p)| p == port && (host.is_empty() || h.eq_ignore_ascii_case(host)))
        })
    }

    /// Its endpoints for people.
    pub fn at(&self) -> String {
        if self.endpoints.is_empty() {
            return "an unknown host".to_owned();
        }
        let endpoints = self.endpoints.iter().map(|(host, port)| format!("{host}:{port}"));
        endpoints.collect::<Vec<_>>().join(", ")
    }
}

/// The host and port of a listener, as `PLAINTEXT://10.0.1.5:9092`.
pub fn endpoint(listener: &str) -> Option<Endpoint> {
    let (_, address) = listener.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Whose an entry is that stands under this slot's id after the unit was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The service's that was started: it came after the start, and has the endpoints that were written for it.
    Ours,
    /// Seen before the start already: an end of an earlier broker.
    Earlier,
    /// It came after the start and has other endpoints.
    Stranger,
}

/// Whose an entry is. `before` is the entry that was seen before the start; `written` what server.properties says.
pub fn whose(found: &Registration, before: Option<Incarnation>, written: &[Endpoint]) -> Whose {
    if before == Some(found.incarnation) {
        Whose::Earlier
    } else if found.has(written) {
        Whose::Ours
    } else {
        Whose::Stranger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(czxid: i64, endpoints: &[(&str, u16)]) -> Registration {
        let endpoints = endpoints.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
        let incarnation = Incarnation::of_register(czxid);
        Registration { id: BrokerId::new(0).unwrap(), incarnation, endpoints }
    }

    #[test]
    fn ours_is_another_entry_than_before_with_every_endpoint_that_was_written() {
        let written = ["PLAINTEXT://10.0.1.5:9092", "SSL://b0.example:9093"].map(|l| endpoint(l).unwrap());
        let ours = [("10.0.1.5", 9092), ("B0.example", 9093)];
        for (found, before, expected) in [
            (registration(7, &ours), None, Whose::Ours),
            (registration(7, &ours), Some(6), Whose::Ours),
            (registration(7, &ours), Some(7), Whose::Earlier),
            (registration(7, &ours[..1]), None, Whose::Stranger),
            (registration(7, &[("10.0.1.6", 9092), ("b0.example", 9093)]), None, Whose::Stranger),
            (registration(7, &[("10.0.1.5", 9094), ("b0.example", 9093)]), Some(3), Whose::Stranger),
        ] {
            assert_eq!(
                whose(&found, before.map(Incarnation::of_register), &written),
                expected,
                "{found:?} {before:?}"
            );
        }
    }

    #[test]
    fn a_listener_without_a_host_is_known_by_its_port() {
        let written = [endpoint("PLAINTEXT://:9092").unwrap()];
        assert_eq!(whose(&registration(7, &[("ip-10-0-1-5", 9092)]), None, &written), Whose::Ours);
        assert_eq!(whose(&registration(7, &[("ip-10-0-1-5", 9093)]), None, &written), Whose::Stranger);
    }
}
