//! `kafka.listeners`, as Kafka reads them. berth writes each as listener and advertised listener, and knows its own
//! registration by them, so each has one spelling here: the one that Kafka registers.

use super::connect::number;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// What is filled in.
const ADDRESS: &str = "{address}";

/// Checks all of them (`SocketServerConfigs.listenerListToEndPoints`, and `validate` of `KafkaConfig`: distinct names,
/// distinct ports).
pub(super) fn listeners(texts: &[String]) -> Result<Vec<String>, String> {
    if texts.is_empty() {
        return Err("Kafka needs at least one listener".to_owned());
    }
    let (mut names, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for text in texts {
        let (name, port) = listener(text)?;
        if !names.insert(name) {
            return Err(format!(
                "\"{text}\": Kafka takes each listener name once, and {name} is there already"
            ));
        }
        if !ports.insert(port) {
            return Err(format!("\"{text}\": Kafka takes each port once, and {port} is there already"));
        }
    }
    Ok(texts.to_vec())
}

fn listener(text: &str) -> Result<(&str, u16), String> {
    let refused = || format!("\"{text}\" is no listener, as PLAINTEXT://{{address}}:9092");
    let (name, rest) = text.split_once("://").ok_or_else(refused)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(refused)?;
    let port = number(port).ok_or_else(refused)?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err(refused());
    }
    if name.bytes().any(|b| b.is_ascii_lowercase()) {
        let upper = name.to_ascii_uppercase();
        return Err(format!(
            "\"{text}\": Kafka registers listener names in capitals: write \"{upper}://{rest}\""
        ));
    }
    if matches!(host, "" | "0.0.0.0" | "[::]") {
        return Err(format!(
            "\"{text}\" advertises no address that a client could use: write \"{name}://{{address}}:{port}\""
        ));
    }
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => {
            let rest = host.replace(ADDRESS, "");
            if rest.contains(['{', '}']) {
                return Err(format!("\"{text}\": only {ADDRESS} is filled in here"));
            }
            // Of Kafka's own set, what a host name or an IPv4 address has.
            rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    if is_host { Ok((name, port)) } else { Err(refused()) }
}
