//! On a real ZooKeeper: the contract of the claims port, and what a run leaves behind.

mod server;

use crate::zookeeper::Zookeeper;
use async_trait::async_trait;
use berth_lifecycle::ports::Claims;
use berth_plan::config::{Config, Layers};
use berth_plan::records::{Claim, Holder, Intent, VERSION};
use berth_plan::service::Incarnation;
use berth_plan::{BrokerId, InstanceId, UnixTime};
use server::Server;
use simulation::contract::{Run, Store, holds};
use std::sync::Arc;
use std::time::Duration;
use zookeeper_client::{Acls, Client, CreateMode};

/// A chroot of its own on a server.
struct Chroot {
    server: String,
    path: String,
    client: Client,
}

impl Chroot {
    async fn of(server: &Server, name: &str) -> Self {
        let server = server.at.to_string();
        let client = Client::connect(&server).await.unwrap();
        Self { server, path: format!("/{name}"), client }
    }

    fn zookeeper(&self) -> Arc<Zookeeper> {
        let mut layers = Layers::default();
        let text = format!("cluster = \"orders\"\nzookeeper = \"{}{}\"\n", self.server, self.path);
        layers.over("berth.toml", &text).unwrap();
        Zookeeper::new(&Config::of(&layers).unwrap())
    }

    async fn make(&self, path: &str, bytes: &str) {
        let (path, options) = (self.node(path), CreateMode::Persistent.with_acls(Acls::anyone_all()));
        let (above, _) = path.rsplit_once('/').unwrap();
        self.client.mkdir(above, &options).await.unwrap();
        self.client.create(&path, bytes.as_bytes(), &options).await.unwrap();
    }

    fn node(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    async fn has(&self, path: &str) -> bool {
        self.client.check_stat(&self.node(path)).await.unwrap().is_some()
    }
}

#[async_trait(?Send)]
impl Store for Chroot {
    fn run(&self, _: &str) -> Run {
        let zookeeper = self.zookeeper();
        Run::new(zookeeper.clone(), async move { zookeeper.close().await })
    }

    async fn put(&self, slot: u32, bytes: &str) {
        let path = format!("/berth/orders/slots/{slot}");
        if self.has(&path).await {
            self.client.set_data(&self.node(&path), bytes.as_bytes(), None).await.unwrap();
        } else {
            self.make(&path, bytes).await;
        }
    }

    async fn bytes(&self, slot: u32) -> String {
        let (bytes, _) =
            self.client.get_data(&self.node(&format!("/berth/orders/slots/{slot}"))).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_claims_store_in_zookeeper_keeps_the_contract() {
    let server = Server::start();
    holds(async |name| Chroot::of(&server, name).await).await;
}

fn me() -> InstanceId {
    "i-00000000000000001".parse().unwrap()
}

fn intent(instance: &str) -> Intent {
    let boot = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    Intent { v: VERSION, instance: instance.parse().unwrap(), boot, token: "t".parse().unwrap() }
}

fn slot() -> BrokerId {
    BrokerId::new(0).unwrap()
}

fn taken(instance: &str) -> Claim {
    let Intent { instance, boot, .. } = intent(instance);
    let zone = "eu-central-1a".parse().unwrap();
    Claim::vacant().taken(Holder { instance, boot, zone, volume: None, eni: None }, UnixTime::from_millis(1))
}

/// A run has the lock once, and so makes the tree.
async fn ran(zookeeper: &Zookeeper, instance: &str) {
    let lock = zookeeper.lock(&intent(instance), Duration::from_secs(10), &|_| {}).await.unwrap();
    lock.unlock().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_a_slot_leaves_nothing_of_a_tree_that_it_made() {
    let server = Server::start();
    let other = "i-00000000000000002";

    let wrong = Chroot::of(&server, "wrong/chroot").await;
    let run = wrong.zookeeper();
    ran(&run, me().as_str()).await;
    assert!(wrong.has("/berth/orders/slots").await);
    run.leave_no_empty_tree(&me()).await;
    assert!(!wrong.has("").await, "the chroot too");
    assert!(!Chroot::of(&server, "wrong").await.has("").await, "and what is above it");
    ran(&run, me().as_str()).await;
    assert!(wrong.has("/berth/orders/slots").await, "it is made again where it is needed");

    let given_back = Chroot::of(&server, "given-back").await;
    let run = given_back.zookeeper();
    ran(&run, me().as_str()).await;
    let at = run.write(slot(), &taken(me().as_str()), None).await.unwrap();
    run.leave_no_empty_tree(&me()).await;
    assert!(given_back.has("/berth/orders/slots/0").await, "it is held");
    let free = taken(me().as_str()).given_back(UnixTime::from_millis(2), "gave up");
    let at = run.write(slot(), &free, Some(at)).await.unwrap();
    let known = free.registered(Incarnation::of_register(7), None);
    let at = run.write(slot(), &known, Some(at)).await.unwrap();
    run.leave_no_empty_tree(&me()).await;
    assert!(given_back.has("/berth/orders/slots/0").await, "a broker was there");
    run.write(slot(), &free, Some(at)).await.unwrap();
    run.leave_no_empty_tree(&me()).await;
    assert!(!given_back.has("").await, "nobody had it but this run, and gave it back");

    let shared = Chroot::of(&server, "shared").await;
    let (run, waits) = (shared.zookeeper(), shared.zookeeper());
    ran(&run, me().as_str()).await;
    let lock = waits.lock(&intent(other), Duration::from_secs(10), &|_| {}).await.unwrap();
    run.leave_no_empty_tree(&me()).await;
    assert!(shared.has("/berth/orders/slots").await, "somebody is in the lock's queue");
    lock.intend(slot(), &intent(other)).await.unwrap();
    lock.unlock().await;
    run.leave_no_empty_tree(&me()).await;
    waits.hold(slot(), &taken(other), None, &intent(other)).await.expect("somebody is about to take a slot");
    run.leave_no_empty_tree(&me()).await;
    assert!(shared.has("/berth/orders/slots/0").await, "another has it");

    let kafkas = Chroot::of(&server, "kafka").await;
    kafkas.make("/cluster/id", "{}").await;
    let run = kafkas.zookeeper();
    ran(&run, me().as_str()).await;
    run.leave_no_empty_tree(&me()).await;
    assert!(kafkas.has("/cluster/id").await && !kafkas.has("/berth").await, "Kafka's own stays");

    let before = Chroot::of(&server, "before").await;
    ran(&before.zookeeper(), other).await;
    let run = before.zookeeper();
    ran(&run, me().as_str()).await;
    run.leave_no_empty_tree(&me()).await;
    assert!(before.has("/berth/orders/slots").await, "another run made it");
}
