//! Names of other hosts, by this host's resolver: /etc/hosts and DNS.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// All addresses of a `host:port`, each once, in the resolver's order. An error is part of a sentence: the name, and what
/// became of the question; there is one where the resolver has not answered in this time, too.
pub(crate) async fn addresses(of: &str, within: Duration) -> Result<Vec<SocketAddr>, String> {
    let found = match timeout(within, lookup_host(of)).await {
        Ok(found) => found.map_err(|error| format!("{of} does not resolve ({error})"))?,
        Err(_) => {
            return Err(format!(
                "{of} does not resolve (no answer of the resolver within {} s)",
                within.as_secs()
            ));
        }
    };
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(format!("{of} does not resolve (no address)")) } else { Ok(addresses) }
}
