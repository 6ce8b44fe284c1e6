//! A real systemd-networkd on the instance, which takes every new interface as on Amazon Linux, and berth beside it; and what
//! berth does about a link that has lost what it had.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use common::interfaces::{boot, booted, one_slot};
use common::lab_runs::{IDLE, json, made, played, shell};
use lab::lab_run::{InstanceInfo, LabRun};

async fn idle(disk: &str, volume: &str) -> (LabRun, InstanceInfo) {
    lab::commands::require(&["networkctl", "dbus-daemon"]).unwrap();
    let lab = played(made(&(one_slot(disk, volume, "500ms") + IDLE)).await).await;
    let a1 = lab.find("instance 0").unwrap();
    (lab, a1)
}

/// systemd-networkd, and the bus by which networkctl reaches it. In place of a lease it gives an address and a default route,
/// as its DHCP client would. That it takes what is new shows on a link of its own.
const NETWORKD: &str = "set -e
mkdir -p /run/dbus /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /etc/systemd/network
chown -R systemd-network:systemd-network /run/systemd/netif
cat >/etc/systemd/network/80-ec2.network <<END
[Match]
Name=eth1 new0
[Network]
Address=10.0.1.77/24
Gateway=10.0.1.1
LinkLocalAddressing=no
IPv6AcceptRA=no
END
cat >/etc/systemd/system/dbus.service <<END
[Service]
ExecStart=$(command -v dbus-daemon) --system --nofork --nopidfile
END
cat >/etc/systemd/system/systemd-networkd.service <<END
[Service]
ExecStart=/lib/systemd/systemd-networkd
END
systemctl daemon-reload
systemctl start dbus.service
until test -S /run/dbus/system_bus_socket; do sleep 0.1; done
systemctl start systemd-networkd.service
until networkctl list >/dev/null 2>&1; do sleep 0.1; done
ip link add new0 type veth peer name new1
ip link set new1 up
until ip -4 route show default | grep -q new0; do sleep 0.1; done
ip link delete new0
until test $(ip -4 route show default | wc -l) = 1; do sleep 0.1; done
";

/// What another manager would have done to the slot's link.
async fn is_left_alone(lab: &LabRun, on: &InstanceInfo) {
    let setup = shell(lab, on, "networkctl list --no-legend --no-pager eth1").await;
    assert!(setup.contains("unmanaged"), "{setup}");
    let addresses = shell(lab, on, "ip -4 -o address show dev eth1").await;
    assert!(addresses.lines().count() == 1 && !addresses.contains("10.0.1.77"), "{addresses}");
    let default = shell(lab, on, "ip -4 route show default").await;
    assert_eq!(default.lines().count(), 1, "one default route in main: {default}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_takes_every_new_interface_leaves_the_slots_alone() {
    let (lab, a1) = idle("xfs", "500ms").await;
    shell(&lab, &a1, NETWORKD).await;
    booted(&lab, &a1).await;
    is_left_alone(&lab, &a1).await;
    shell(&lab, &a1, "networkctl reload && sleep 1 # for what a reload would do to the link").await;
    is_left_alone(&lab, &a1).await;
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_managers_were_told_goes_with_the_slot() {
    // Blank and without consent: the boot gives up, after the network is configured.
    let (lab, a1) = idle("blank", "6s").await;
    let files = "ls /run/systemd/network /run/NetworkManager/conf.d 2>/dev/null | grep berth";
    let told = async {
        shell(&lab, &a1, "until ip rule show | grep -q 'proto 190'; do sleep 0.05; done").await;
        shell(&lab, &a1, files).await
    };
    let (ran, told) = tokio::join!(boot(&lab, &a1), told);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert_eq!(shell(&lab, &a1, &format!("{files} || true")).await, "");
    lab.end(false).await.unwrap();
}

/// The kernel empties table 7001 of routes whose preferred source goes with an address, and they do not come back with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_that_went_with_an_address_are_seen_missing_and_come_back_with_another_boot() {
    let (lab, a1) = idle("xfs", "500ms").await;
    booted(&lab, &a1).await;
    let routes = "ip route show table 7001";
    let before = shell(&lab, &a1, routes).await;
    assert_eq!(before.lines().count(), 2, "{before}");
    let address = lab.slots[0].address;
    let line = format!(
        "ip address delete {address}/24 dev eth1; ip address add {address}/24 dev eth1 noprefixroute"
    );
    shell(&lab, &a1, &line).await;
    assert_eq!(shell(&lab, &a1, routes).await, "");
    let status = json(&lab, &a1, "berth status --json || true").await;
    assert_eq!(status["routes"]["routes"], 0, "{status}");
    booted(&lab, &a1).await;
    assert_eq!(shell(&lab, &a1, routes).await, before);
    lab.end(false).await.unwrap();
}
