//! `zookeeper`, as Kafka and ZooKeeper's own clients read it: hosts, and one chroot behind the last of them.
//!
//! What is accepted here means the same to `org.apache.zookeeper.client.ConnectStringParser`, to Kafka (which trims each
//! value) and to berth; the integration test `as_kafka_reads` asks them. What only one of them would understand, or each in
//! another way, is refused with what to write: a chroot after each host is to Java one long chroot, in which berth would
//! keep its claims and Kafka its cluster, and everybody else's tools would look elsewhere.

use std::net::Ipv6Addr;

/// The port where none is given (`ConnectStringParser.DEFAULT_PORT`).
const PORT: u16 = 2181;

/// `host:port` of each server, and the chroot: with its leading slash, or empty.
pub(super) fn connect(text: &str) -> Result<(Vec<String>, String), String> {
    if text.contains(char::is_whitespace) {
        let clean: String = text.split_whitespace().collect();
        return Err(format!("\"{text}\" has a blank, which not every reader takes off: write \"{clean}\""));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!(
            "\"{text}\" has a scheme ({scheme}://), which is no part of it: write \"{rest}\""
        ));
    }
    let (hosts, chroot) = text.find('/').map_or((text, ""), |at| text.split_at(at));
    if chroot.contains(',') {
        return Err(after_each_host(text));
    }
    let chroot = if chroot == "/" { "" } else { chroot };
    check_chroot(hosts, chroot)?;
    let hosts = hosts.split(',').map(|host| host_port(host, text)).collect::<Result<_, _>>()?;
    Ok((hosts, chroot.to_owned()))
}

fn after_each_host(text: &str) -> String {
    let (mut hosts, mut chroot) = (Vec::new(), "");
    for part in text.split(',') {
        let (host, path) = part.find('/').map_or((part, ""), |at| part.split_at(at));
        hosts.push(host);
        chroot = if path.is_empty() { chroot } else { path };
    }
    format!(
        "\"{text}\": to Kafka the chroot begins at the first / and has all that follows: write it once, \"{}{chroot}\"",
        hosts.join(",")
    )
}

/// As `org.apache.zookeeper.common.PathUtils.validatePath`.
fn check_chroot(hosts: &str, chroot: &str) -> Result<(), String> {
    if chroot.is_empty() {
        return Ok(());
    }
    let parts: Vec<&str> = chroot.split('/').filter(|part| !part.is_empty()).collect();
    if chroot.ends_with('/') || chroot.contains("//") {
        return Err(format!(
            "the chroot \"{chroot}\" has an empty part, with which Kafka does not start: write \"{hosts}/{}\"",
            parts.join("/")
        ));
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(format!(
            "the chroot \"{chroot}\" has a part . or .., with which Kafka does not start: write the path itself"
        ));
    }
    let is_refused = |c: &char| c.is_control() || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..);
    match chroot.chars().find(is_refused) {
        Some(odd) => {
            Err(format!("the chroot \"{chroot}\" has the character {odd:?}, with which Kafka does not start"))
        }
        None => Ok(()),
    }
}

fn host_port(host: &str, text: &str) -> Result<String, String> {
    if host.is_empty() {
        return Err(format!("\"{text}\" has an empty host; the form is host:2181,host:2181/chroot"));
    }
    let refused = || format!("\"{host}\" is no host:port; the form is host:2181,host:2181/chroot");
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(refused)?;
        address.parse::<Ipv6Addr>().map_err(|_| refused())?;
        let port = if port.is_empty() {
            PORT
        } else {
            port.strip_prefix(':').and_then(number).ok_or_else(refused)?
        };
        return Ok(format!("[{address}]:{port}"));
    }
    let (name, port) = match host.split_once(':') {
        None => (host, PORT),
        Some((_, rest)) if rest.contains(':') => {
            return Err(format!(
                "\"{host}\" has more than one colon: an IPv6 address is written in brackets, [2001:db8::1]:2181"
            ));
        }
        Some((name, port)) => (name, number(port).ok_or_else(refused)?),
    };
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if fits { Ok(format!("{name}:{port}")) } else { Err(refused()) }
}

/// A port as everybody writes it: to Java and Rust `+2181` is a number too.
pub(super) fn number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|port| is_plain && *port > 0)
}
