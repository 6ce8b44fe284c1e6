//! What an instance sees: its metadata, its own kernel identity, devices that appear when they are plugged; and what
//! survives a reboot and a power cut.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Hand, interface, sh};
use lab::fabric::IMDS;
use lab::netns;
use lab::volume::Volume;
use nix::sys::signal::Signal;

const USER_DATA: &str = "#!/bin/bash\nset -e\necho \"$AWS_ENDPOINT_URL\" >/var/lib/seen\ncurl -s http://169.254.169.254/latest/x >>/var/lib/seen\n\
                         echo \"$AWS_PROFILE$AWS_ACCESS_KEY_ID\" >>/var/lib/seen\necho ran >>/var/lib/runs\n";

#[tokio::test]
async fn sees_its_metadata_and_devices_that_are_plugged_while_it_runs() {
    let hand = Hand::new();
    let listener = netns::listen(hand.fabric().srv(), SocketAddr::from((IMDS, 80))).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let peer = stream.peer_addr().unwrap();
            let _ = (&stream).read(&mut [0; 1024]);
            let body = format!("you are {}\n", peer.ip());
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let mut instance = hand.instance(Some(USER_DATA));
    instance.boot().await.unwrap();
    wait_for(&instance, "test -s /var/lib/runs").await;
    assert_eq!(sh(&instance, "cat /var/lib/seen").await.out, "http://10.0.9.10\nyou are 10.0.1.10\n\n");

    assert_eq!(sh(&instance, "ls /sys/class/net").await.out, "eth0\nlo\n");
    let boot = sh(&instance, "cat /proc/sys/kernel/random/boot_id").await.out;
    assert_eq!(boot.trim(), instance.boot_id().unwrap());
    assert_ne!(boot, std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap());

    let name = instance.plug_interface(1, interface("eni-1", "06:00:00:00:00:50", [10, 0, 1, 50])).unwrap();
    let seen = sh(&instance, &format!("cat /sys/class/net/{name}/address; ip -o -4 addr show dev {name}; cat /sys/class/net/{name}/operstate")).await;
    assert_eq!(seen.out, "06:00:00:00:00:50\ndown\n", "it arrives down and without an address");
    assert_eq!(
        sh(
            &instance,
            "echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter && cat /proc/sys/net/ipv4/conf/eth1/rp_filter"
        )
        .await
        .out,
        "2\n"
    );

    let volume = Volume::make(&hand.ledger(), "vol-0123456789abcdef0", 1).unwrap();
    assert_eq!(sh(&instance, "ls /sys/block").await.out, "");
    let device = instance.plug_volume(volume.clone()).unwrap();
    assert_eq!(device, "nvme1n1");
    assert_eq!(
        sh(
            &instance,
            "cat /sys/block/nvme1n1/device/serial; cat /sys/block/nvme1n1/size; stat -c %F /dev/nvme1n1"
        )
        .await
        .out,
        "vol0123456789abcdef0\n2097152\nblock special file\n"
    );
    let mounted = sh(&instance, "mkfs.xfs -q /dev/nvme1n1 && mkdir -p /kafkalogs && mount /dev/nvme1n1 /kafkalogs && echo kept >/kafkalogs/synced && sync /kafkalogs/synced && sync && echo lost >/kafkalogs/unsynced").await;
    assert_eq!((mounted.code, mounted.err.as_str()), (0, ""));
    let uuid = volume.filesystem_uuid().unwrap();

    // A power cut and a new boot: the log is replayed, what was not synced is gone, user-data does not run again.
    instance.cut_power().await.unwrap();
    instance.boot().await.unwrap();
    assert_ne!(sh(&instance, "cat /proc/sys/kernel/random/boot_id").await.out, boot);
    let again = sh(&instance, "mount /dev/nvme1n1 /kafkalogs && cat /kafkalogs/synced; cat /kafkalogs/unsynced 2>/dev/null; ls /sys/class/net").await;
    assert_eq!(again.out, "kept\neth0\neth1\nlo\n", "{}", again.err);
    assert_eq!(volume.filesystem_uuid().unwrap(), uuid);
    assert_eq!(sh(&instance, "cat /var/lib/runs").await.out, "ran\n");

    instance.unplug_volume("vol-0123456789abcdef0").unwrap();
    instance.unplug_interface("eni-1");
    assert_eq!(
        sh(&instance, "ls /sys/block /sys/class/net; test -e /dev/nvme1n1 || echo gone").await.out,
        "/sys/block:\n\n/sys/class/net:\neth0\nlo\ngone\n"
    );
    instance.shut_down(Signal::SIGTERM, Duration::from_secs(20)).await.unwrap();
    volume.remove().unwrap();
    drop(instance);
    hand.end();
}

#[tokio::test]
async fn the_small_systemd_keeps_the_rules_of_the_real_one() {
    let hand = Hand::new();
    let mut instance = hand.instance(None);
    instance.boot().await.unwrap();
    let unit = |name: &str, text: &str| format!("cat >/etc/systemd/system/{name} <<'END'\n{text}\nEND\n");
    let show = "systemctl show -p ActiveState,SubState,Result,ExecMainStatus,NRestarts --value";

    let set_up = unit(
        "long.service",
        "[Service]\nExecStartPre=/bin/sh -c 'echo pre $INVOCATION_ID >>/run/long'\nExecStart=/bin/sh -c 'echo main $INVOCATION_ID >>/run/long; exec sleep 1000'\nRestart=on-failure\nRestartSec=0\n[Install]\nWantedBy=multi-user.target",
    ) + &unit("gated.service", "[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep 1000")
        + &unit(
            "once.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'exit 78'\nRestart=on-failure\nRestartPreventExitStatus=78",
        )
        + &unit(
            "loop.service",
            "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=60\n[Service]\nExecStart=/bin/sh -c 'exit 1'\nRestart=always\nRestartSec=0",
        )
        + &unit(
            "absent.service",
            "[Unit]\nConditionPathExists=/nowhere\n[Service]\nExecStart=/bin/sleep 1000",
        )
        + &unit(
            "notifies.service",
            "[Service]\nType=notify\nUser=nobody\nExecStart=/usr/bin/python3 -c 'import os,socket,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.sendto(b\"READY=1\",os.environ[\"NOTIFY_SOCKET\"]); time.sleep(1000)'",
        );
    assert_eq!(sh(&instance, &set_up).await.err, "");

    assert_eq!(sh(&instance, "systemctl start long && systemctl is-active long").await.out, "active\n");
    let first = sh(&instance, "systemctl show -p MainPID,InvocationID long.service; cat /run/long").await.out;
    let words: Vec<&str> = first.split(['=', ' ', '\n']).collect();
    let (pid, invocation) = (words[1], words[3]);
    assert_eq!(
        first,
        format!("MainPID={pid}\nInvocationID={invocation}\npre {invocation}\nmain {invocation}\n")
    );
    // Killed: started again by itself, with a new invocation.
    sh(&instance, &format!("kill -9 {pid}")).await;
    wait_for(
        &instance,
        "systemctl show -p NRestarts --value long | grep -qx 1 && systemctl is-active -q long",
    )
    .await;
    assert_ne!(sh(&instance, "systemctl show -p InvocationID --value long").await.out.trim(), invocation);
    assert_eq!(sh(&instance, "systemctl stop long; systemctl is-active long").await.code, 3);
    assert_eq!(sh(&instance, &format!("{show} long")).await.out, "success\n1\n15\ninactive\ndead\n");

    // Since when, and by which files, in the words of the real one.
    let shown = "mkdir -p /etc/systemd/system/long.service.d && : >/etc/systemd/system/long.service.d/a.conf; \
                 systemctl show -p DropInPaths --value long; systemctl show -p StateChangeTimestamp --value gated; \
                 at=\"$(systemctl show -p StateChangeTimestamp --value long)\"; \
                 test \"$(TZ=UTC date -d \"$at\" '+%a %F %T UTC')\" = \"$at\" && \
                 echo $(($(date +%s) - $(date -d \"$at\" +%s) <= 60))";
    assert_eq!(sh(&instance, shown).await.out, "/etc/systemd/system/long.service.d/a.conf\n\n1\n");

    let gated = sh(&instance, "systemctl start gated").await;
    assert_eq!(gated.code, 1, "{gated:?}");
    assert_eq!(sh(&instance, &format!("{show} gated")).await.out, "exit-code\n0\n0\nfailed\nfailed\n");
    assert_eq!(sh(&instance, "systemctl start once").await.code, 1);
    assert_eq!(sh(&instance, &format!("{show} once")).await.out, "exit-code\n0\n78\nfailed\nfailed\n");
    sh(&instance, "systemctl start loop").await;
    wait_for(&instance, "test \"$(systemctl show -p Result --value loop)\" = start-limit-hit").await;
    assert_eq!(sh(&instance, "systemctl start absent; systemctl is-active absent").await.out, "inactive\n");
    assert_eq!(sh(&instance, "systemctl start nothing").await.code, 5);
    assert_eq!(sh(&instance, "systemctl start notifies; systemctl is-active notifies").await.out, "active\n");
    assert_eq!(
        sh(&instance, "systemctl is-enabled long; systemctl enable long; systemctl is-enabled long")
            .await
            .out,
        "disabled\nenabled\n"
    );

    // An enabled unit starts with the next boot, and an orderly end stops what runs.
    instance.shut_down(Signal::SIGINT, Duration::from_secs(20)).await.unwrap();
    instance.boot().await.unwrap();
    wait_for(&instance, "systemctl is-active -q long").await;
    let began = Instant::now();
    instance.shut_down(Signal::SIGTERM, Duration::from_secs(20)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "an orderly stop took {:?}", began.elapsed());
    drop(instance);
    hand.end();
}

/// Asks the instance until it says yes; it has no way to tell us by itself.
async fn wait_for(instance: &lab::instance::Instance, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while sh(instance, line).await.code != 0 {
        assert!(Instant::now() < deadline, "`{line}` did not come true within 20 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
