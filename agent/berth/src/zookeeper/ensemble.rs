//! The servers of the ensemble: every address of every name.
//!
//! The client's own look-up stops at the first address of a name that does not refuse: a silent one hides the living ones
//! behind it for ever. So it is given addresses, no names; it goes through them in an order of its own, shuffled anew for
//! each session (zookeeper-client, IterableEndpoints::reset).

use crate::host::names;
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::time::Duration;

/// For how long the resolver is waited for.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// For one server, where there are few.
const CONNECTED_WITHIN: Duration = Duration::from_millis(1500);

/// For one server at least. Inside a region a handshake takes a few milliseconds.
const CONNECTED_AT_LEAST: Duration = Duration::from_millis(250);

/// How many addresses a sentence shows.
const SHOWN: usize = 8;

/// What the names stand for now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ensemble {
    /// Every address, each once.
    pub(super) addresses: Vec<SocketAddr>,
    /// The names that have none, and why.
    pub(super) unresolved: Vec<String>,
}

impl Ensemble {
    /// Asks for all names side by side.
    pub(super) async fn resolve(hosts: &[String]) -> Self {
        gathered(join_all(hosts.iter().map(|host| names::addresses(host, RESOLVED_WITHIN))).await)
    }
}

fn gathered(answers: Vec<Result<Vec<SocketAddr>, String>>) -> Ensemble {
    let mut ensemble = Ensemble { addresses: Vec::new(), unresolved: Vec::new() };
    for answer in answers {
        match answer {
            Ok(addresses) => {
                for address in addresses {
                    if !ensemble.addresses.contains(&address) {
                        ensemble.addresses.push(address);
                    }
                }
            }
            Err(why) => ensemble.unresolved.push(why),
        }
    }
    ensemble
}

/// The connect string of the client; it takes an IPv6 address in brackets.
pub(super) fn servers(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// For how long one address may be silent, so that all of them are tried within the time that the client gives to a new
/// session.
pub(super) fn patience(session: Duration, addresses: usize) -> Duration {
    let share = session * 9 / 10 / u32::try_from(addresses.max(1)).unwrap_or(u32::MAX);
    share.clamp(CONNECTED_AT_LEAST, CONNECTED_WITHIN)
}

/// For a sentence.
pub(super) fn shown(addresses: &[SocketAddr]) -> String {
    let more = addresses.len().saturating_sub(SHOWN);
    let first = servers(&addresses[..addresses.len() - more]);
    if more == 0 { first } else { format!("{first} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_of_every_name_is_a_server_once() {
        let two = vec![at("10.0.1.66:2181"), at("10.0.1.200:2181")];
        let six = vec![at("[fd00::5]:2181"), at("10.0.1.200:2181")];
        let found = gathered(vec![Ok(two), Err("zk2:2181 does not resolve (why)".into()), Ok(six)]);
        assert_eq!(servers(&found.addresses), "10.0.1.66:2181,10.0.1.200:2181,[fd00::5]:2181");
        assert_eq!(found.unresolved, ["zk2:2181 does not resolve (why)"]);
    }

    #[test]
    fn all_addresses_are_tried_within_one_session_time_out() {
        let session = Duration::from_secs(10);
        for count in 1..=36 {
            let each = patience(session, count);
            assert!(each * u32::try_from(count).unwrap() <= session, "{count}: {each:?}");
            assert!(each >= CONNECTED_AT_LEAST);
        }
        assert_eq!(patience(session, 5), CONNECTED_WITHIN);
    }

    #[test]
    fn a_sentence_shows_a_few_addresses() {
        let many: Vec<SocketAddr> = (1..=11).map(|n| at(&format!("10.0.1.{n}:2181"))).collect();
        assert!(shown(&many).ends_with("10.0.1.8:2181 and 3 more"), "{}", shown(&many));
        assert_eq!(shown(&many[..1]), "10.0.1.1:2181");
    }

    #[tokio::test]
    async fn an_address_is_its_own_name_and_a_name_that_is_none_is_named() {
        let hosts = ["10.0.1.200:2181", "[::1]:2181", "no such host:2181"].map(str::to_owned);
        let found = Ensemble::resolve(&hosts).await;
        assert_eq!(servers(&found.addresses), "10.0.1.200:2181,[::1]:2181");
        assert_eq!(found.unresolved.len(), 1);
        assert!(found.unresolved[0].starts_with("no such host:2181 does not resolve ("));
    }
}
