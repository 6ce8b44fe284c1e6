//! Names of several addresses, of which one is silent: a host that is gone, and whose address nobody answers for.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::time::Instant;

use common::interfaces::{boot, one_slot};
use common::lab_runs::{IDLE, MINUTE, made, played, run, shell};

/// Of the two addresses the silent one is first for every resolver: it has more bits in common with the instance's own
/// (RFC 6724, rule 9).
const NAMED: &str = "printf '10.0.1.66 zk\\n10.0.1.200 zk\\n' >>/etc/hosts
printf 'cluster = \"orders\"\\nzookeeper = \"zk:2181/kafka\"\\n' >/etc/berth/berth.toml";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_address_of_a_name_does_not_hide_the_living_one() {
    let lab = played(made(&(one_slot("xfs", "500ms", "500ms") + IDLE)).await).await;
    let a1 = lab.find("instance 0").unwrap();
    shell(&lab, &a1, NAMED).await;
    let began = Instant::now();
    let ran = boot(&lab, &a1).await;
    println!("with a silent address a boot took {:?}", began.elapsed());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_does_not_resolve_says_dns() {
    let lab = played(made(&(one_slot("xfs", "500ms", "500ms") + IDLE)).await).await;
    let a1 = lab.find("instance 0").unwrap();
    let line = "printf 'cluster = \"orders\"\\nzookeeper = \"zk.gone:2181/kafka\"\\n' >/etc/berth/berth.toml";
    shell(&lab, &a1, line).await;
    let ran = run(&lab, &a1, "berth", &["plan"], MINUTE).await;
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("zk.gone:2181 does not resolve (") && said.contains("look at DNS"), "{said}");
    assert_ne!(ran.code, 0);
    lab.end(false).await.unwrap();
}
