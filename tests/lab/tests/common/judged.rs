//! What a run of berth came to, judged by the region's journal, the kernel and ZooKeeper; of what berth says of itself only
//! the sentence for people and the story of its steps are read.
#![allow(dead_code)] // Each test binary uses its own part.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::instance::Ran;
use lab::lab_run::LabRun;
use lab::netns;
use region::model::{Event, Region};
use serde_json::Value;

use super::cases::Case;
use super::lab_runs::{MINUTE, run, shell};

/// How long any boot here may take: the machine has other work too.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// How a run of berth ended.
pub(crate) struct End {
    pub(crate) code: i32,
    /// All of stderr.
    pub(crate) said: String,
    pub(crate) took: Duration,
}

impl End {
    /// The sentence for people: the last line, and the only one that is not the log's.
    pub(crate) fn sentence(&self) -> &str {
        let last = self.said.lines().last().unwrap_or_default();
        let told = self.said.lines().filter(|line| line.starts_with("berth: ")).count();
        assert_eq!((told, last.starts_with("berth: ")), (1, true), "one sentence, the last:\n{}", self.said);
        last
    }
}

impl Case {
    /// Runs `berth boot` to its end. The first run of this kernel boot began 45 s ago, by its note: of the shortest deadline
    /// that the configuration allows, 15 s are left.
    pub(crate) async fn boot_late(&self, lab: &LabRun) -> End {
        let line = "mkdir -p /run/berth && echo $((($(cut -d. -f1 /proc/uptime) - 45) * 1000)) >/run/berth/first-run";
        shell(lab, &self.on, line).await;
        self.boot(lab).await
    }

    /// As [`Self::boot_late`], of a boot that goes on past its deadline: it is ended by SIGTERM once what the deadline is due
    /// to tell was told (where that is nothing, some time after it) and it was seen to go on after that.
    pub(crate) async fn boot_past_the_deadline(&self, lab: &LabRun, told: &[&str]) -> End {
        let past = async {
            // 15 s are left; the wait is the case.
            tokio::time::sleep(Duration::from_secs(25)).await;
            let began = std::time::Instant::now();
            while self.told(lab, 0) != told && began.elapsed() < LIMIT / 2 {
                // The journal is in this process: a look costs nothing.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let line =
                "sleep 3; kill -TERM $(sed -n 's/.*\"process\": \\([0-9]*\\).*/\\1/p' /run/berth/boot.json)";
            shell(lab, &self.on, line).await;
        };
        let (end, ()) = futures_util::join!(self.boot_late(lab), past);
        end
    }

    /// Runs `berth boot` to its end.
    pub(crate) async fn boot(&self, lab: &LabRun) -> End {
        let began = std::time::Instant::now();
        let Ran { code, err, .. } = run(lab, &self.on, "/usr/bin/berth", &["boot"], LIMIT).await;
        End { code, said: err, took: began.elapsed() }
    }

    /// A boot that ends well: ready, and success told.
    pub(crate) async fn boots(&self, lab: &LabRun) -> End {
        let end = self.boot(lab).await;
        assert_eq!(end.code, 0, "{}: {}", self.name, end.said);
        assert_eq!(self.told(lab, 0), ["SUCCESS"], "{}: {}", self.name, end.said);
        assert_eq!(self.unhealthy(lab, 0), Vec::<String>::new(), "{}", self.name);
        self.holds(lab).await;
        self.keeps_nobody_waiting(lab).await;
        end
    }

    /// The outcomes that CloudFormation has heard.
    pub(crate) fn told(&self, lab: &LabRun, from: usize) -> Vec<String> {
        self.calls(lab, from, "SignalResource", |params, outcome| {
            (outcome == "ok").then(|| params["Status"].clone())
        })
    }

    /// What Auto Scaling was told and answered.
    pub(crate) fn unhealthy(&self, lab: &LabRun, from: usize) -> Vec<String> {
        self.calls(lab, from, "SetInstanceHealth", |params, outcome| {
            let respects = params.get("ShouldRespectGracePeriod").is_some_and(|word| word == "true");
            assert!(params["HealthStatus"] == "Unhealthy" && !respects, "{params:?}");
            Some(outcome.to_owned())
        })
    }

    /// What its calls of an action were, as `f` sees them.
    pub(crate) fn calls<T>(
        &self,
        lab: &LabRun,
        from: usize,
        wanted: &str,
        f: impl Fn(&BTreeMap<String, String>, &str) -> Option<T>,
    ) -> Vec<T> {
        let of_mine = |event| match event {
            Event::Call { action, caller: Some(caller), params, outcome, .. }
                if action == wanted && caller == self.on.id =>
            {
                f(&params, &outcome)
            }
            _ => None,
        };
        lab.journal(from).into_iter().filter_map(|entry| of_mine(entry.event)).collect()
    }

    /// The records of its claims, and nobody in the way of others: no session's intent, nor its place in the lock's queue.
    pub(crate) async fn keeps_nobody_waiting(&self, lab: &LabRun) -> Vec<Value> {
        let root = format!("/{0}/berth/{0}", self.name);
        let nodes = lab.znodes(&[&root]).await.unwrap();
        let below = |dir: &str| {
            let prefix = format!("{root}/{dir}/");
            let found = nodes.iter().filter(move |(path, node)| path.starts_with(&prefix) && node.ephemeral);
            found.map(|(path, node)| format!("{path}: {}", node.data)).collect::<Vec<_>>()
        };
        assert_eq!((below("lock"), below("intents")), (Vec::new(), Vec::new()), "{}", self.name);
        let slots = nodes.iter().filter(|(path, _)| path.starts_with(&format!("{root}/slots/")));
        slots.map(|(_, node)| serde_json::from_str(&node.data).unwrap()).collect()
    }

    /// Nothing of any slot is left: in EC2, in the kernel, in ZooKeeper.
    pub(crate) async fn has_let_go(&self, lab: &LabRun) {
        let brought = lab.served.with(|region| region.brought_to(&self.on.id));
        assert_eq!(brought, (Vec::new(), Vec::new()), "{}", self.name);
        let kernel = self.kernel(lab).await;
        assert_eq!(kernel, "0 rules, 0 mounts, kafka inactive", "{}", self.name);
        for claim in self.keeps_nobody_waiting(lab).await {
            assert_eq!(claim["state"], "free", "{}: {claim}", self.name);
        }
    }

    /// One slot is held whole.
    pub(crate) async fn holds(&self, lab: &LabRun) {
        let (volumes, enis) = lab.served.with(|region| region.brought_to(&self.on.id));
        assert_eq!((volumes.len(), enis.len()), (1, 1), "{}: {volumes:?} {enis:?}", self.name);
        let kernel = self.kernel(lab).await;
        assert!(kernel.starts_with("1 rules, 1 mounts"), "{}: {kernel}", self.name);
        let claims = self.keeps_nobody_waiting(lab).await;
        let mine = |claim: &&Value| claim["state"] == "held" && claim["holder"]["instance"] == *self.on.id;
        assert_eq!(claims.iter().filter(mine).count(), 1, "{}: {claims:?}", self.name);
    }

    /// Rules of berth's priority, mounts at its place, the unit.
    pub(crate) async fn kernel(&self, lab: &LabRun) -> String {
        let line = "r=$(ip rule show | grep -c '^7001:'); m=$(findmnt -n /kafkalogs | wc -l); \
                    echo \"$r rules, $m mounts, kafka $(systemctl is-active kafka.service)\"";
        shell(lab, &self.on, line).await.trim().to_owned()
    }

    /// Drops or refuses, in the VPC's router, what the instance sends to an address (`add`), or ends that (`del`).
    pub(crate) fn route(&self, lab: &LabRun, deed: &str, to: &str, how: &str) {
        route(lab, deed, &self.on.address, to, how);
    }

    /// The same for the address of its first interface.
    pub(crate) fn route_of_slot(&self, lab: &LabRun, deed: &str, to: &str, how: &str) {
        let of = |region: &mut Region| region.eni(&self.enis[0]).unwrap().private_ips[0].to_string();
        route(lab, deed, &lab.served.with(of), to, how);
    }

    /// What the boot says of a step: none before it began.
    pub(crate) async fn step(&self, lab: &LabRun, name: &str) -> Option<Value> {
        let story = run(lab, &self.on, "/usr/bin/cat", &["/run/berth/boot.json"], MINUTE).await;
        let story: Value = serde_json::from_str(&story.out).ok()?;
        let steps = story["steps"].as_array()?;
        steps.iter().rfind(|step| step["step"] == name).cloned()
    }

    /// Waits until a step of the boot looks like this.
    pub(crate) async fn sees(&self, lab: &LabRun, name: &str, what: impl Fn(&Value) -> bool) -> Value {
        let seen = async {
            loop {
                if let Some(step) = self.step(lab, name).await.filter(&what) {
                    return step;
                }
                // boot.json is replaced whole at each change: there is no event to wait for from outside.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let seen = tokio::time::timeout(MINUTE, seen).await;
        seen.unwrap_or_else(|_| panic!("{}: the step {name} never looked as awaited", self.name))
    }
}

fn route(lab: &LabRun, deed: &str, from: &str, to: &str, how: &str) {
    let line = format!("rule {deed} pref 50 from {from} to {to} {how}");
    netns::ip(&format!("{}-fab", lab.id()), &[line]).unwrap();
}
