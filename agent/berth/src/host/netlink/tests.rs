//! The adapter on a real kernel: each test in a network namespace of its own, which ends with its thread.

use super::Kernel;
use berth_lifecycle::ports::Network;
use berth_plan::MacAddress;
use berth_plan::network::{Seen, Wanted, command, plan, undo};
use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MAC: &str = "06:00:00:00:00:50";

fn mac() -> MacAddress {
    MAC.parse().unwrap()
}

/// Runs in a new network namespace, with a runtime of its own.
fn in_a_namespace<T: Send + 'static>(deed: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let alone = move || {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("this test makes a network namespace: run it as root, e.g. sudo -E make test");
        // Its threads are made here, and are in the namespace too. Two, as the program has: a task may run beside its caller.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(deed())
    };
    std::thread::spawn(alone).join().unwrap()
}

fn sh(line: &str) -> String {
    let done = Command::new("sh").args(["-euc", line]).output().unwrap();
    assert!(done.status.success(), "`{line}`: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A new link, as an interface of EC2 would appear; its index is the same in every namespace.
fn plug() {
    sh(&format!(
        "ip link set lo up; ip link add eth1 index 7 address {MAC} type veth peer name peer1 index 8"
    ));
    sh("ip link set peer1 up");
}

fn wanted() -> Wanted {
    Wanted {
        mac: mac(),
        addresses: vec!["10.0.1.50".parse().unwrap(), "10.0.1.51".parse().unwrap()],
        subnet: "10.0.1.0/24".parse().unwrap(),
    }
}

/// All that the commands could have changed, by iproute2 and procps.
fn state() -> String {
    sh("ip -d rule show; ip -4 -d route show table all; ip -4 address show
        ip -o link show eth1 | grep -o 'mtu [0-9]*\\|,UP'
        sysctl net.ipv4.conf.eth1.arp_ignore net.ipv4.conf.eth1.arp_announce net.ipv6.conf.eth1.accept_ra")
}

/// Runs the commands as an operator would: `ip` reads its own from a batch, in the order of all.
fn run(commands: &[String]) {
    for line in commands {
        let Some(of_ip) = line.strip_prefix("ip ") else {
            sh(line);
            continue;
        };
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        writeln!(ip.stdin.take().unwrap(), "{of_ip}").unwrap();
        assert!(ip.wait().unwrap().success(), "{line}");
    }
}

/// What is to be run to configure the link and to undo that, and the states after each.
async fn by_netlink() -> [(Vec<String>, String); 2] {
    plug();
    let kernel = Kernel::open().unwrap();
    let seen = kernel.link(mac()).await.unwrap().unwrap();
    let acts = plan(&wanted(), &seen);
    for act in &acts {
        kernel.apply(&seen, act).await.unwrap();
    }
    let configured = (acts.iter().map(|act| command(&seen, act)).collect(), state());
    let marks: Seen = kernel.marked().await.unwrap();
    let acts = undo(&marks);
    for act in &acts {
        kernel.apply(&marks, act).await.unwrap();
    }
    [configured, (acts.iter().map(|act| command(&marks, act)).collect(), state())]
}

#[test]
fn the_commands_in_the_log_make_the_same_state_when_ip_runs_them() {
    let before = in_a_namespace(async || {
        plug();
        state()
    });
    let steps = in_a_namespace(by_netlink);
    println!("{:#?}", steps.each_ref().map(|(commands, _)| commands));
    assert!(before != steps[0].1 && steps[0].0.len() >= 10, "{steps:#?}");
    in_a_namespace(async move || {
        plug();
        for (commands, wanted) in steps {
            run(&commands);
            assert_eq!(state(), wanted, "after {commands:#?}");
        }
    });
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn waits_and_looks_that_have_ended_leave_no_warning_of_the_library() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).init();
    in_a_namespace(async || {
        plug();
        // So many links that a list of them comes in several messages.
        sh("for n in $(seq 100 180); do ip link add v$n type veth peer name w$n; done");
        let events = std::thread::spawn(flood);
        let kernel = Kernel::open().unwrap();
        for _ in 0..200 {
            assert!(kernel.wait_for_link(mac(), Duration::from_secs(1), &|| ()).await.unwrap());
        }
        events.join().unwrap();
    });
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // Other tests of this process write into the same log.
    let of_library: Vec<&str> = said.lines().filter(|line| line.contains("netlink")).collect();
    assert_eq!(of_library, [""; 0]);
}

/// Events of links while others wait for one.
fn flood() {
    sh("for n in $(seq 1 300); do ip link set v100 up; ip link set v100 down; done");
}
