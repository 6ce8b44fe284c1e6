//! The fabric decides what EC2 decides: an answer that leaves by the wrong interface is not heard.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use common::{Hand, interface};
use lab::fabric::configure_primary;
use lab::netns;

const LIMIT: Duration = Duration::from_millis(1500);

#[test]
fn an_answer_by_the_wrong_interface_is_lost_until_policy_routing_is_right() {
    let hand = Hand::new();
    let fabric = hand.fabric();
    let (i1, peer) = (format!("{}-i1", hand.id), format!("{}-p", hand.id));
    for name in [&i1, &peer] {
        fabric.add_namespace(name).unwrap();
    }
    fabric.plug(&interface("eni-0", "06:00:00:00:00:10", [10, 0, 1, 10]), &i1, "eth0").unwrap();
    configure_primary(&i1, "eth0", [10, 0, 1, 10].into()).unwrap();
    fabric.plug(&interface("eni-p", "06:00:00:00:00:11", [10, 0, 1, 11]), &peer, "eth0").unwrap();
    configure_primary(&peer, "eth0", [10, 0, 1, 11].into()).unwrap();
    fabric.plug(&interface("eni-1", "06:00:00:00:00:50", [10, 0, 1, 50]), &i1, "eth1").unwrap();
    netns::ip(&i1, &["addr add 10.0.1.50/32 dev eth1".into(), "link set eth1 up".into()]).unwrap();

    let _listeners = serve(&i1);
    let at = |address: [u8; 4]| SocketAddr::from((address, 9092));
    netns::connect(fabric.srv(), at([10, 0, 1, 10]), LIMIT).expect("the primary address answers");
    netns::connect(&peer, at([10, 0, 1, 10]), LIMIT).expect("the primary address answers in its subnet");
    for from in [fabric.srv(), &peer] {
        let lost = netns::connect(from, at([10, 0, 1, 50]), LIMIT);
        assert!(lost.is_err(), "the answer left by eth0 with the address of eth1 and yet reached {from}");
    }
    netns::ip(
        &i1,
        &[
            "route add 10.0.1.0/24 dev eth1 src 10.0.1.50 table 7001".into(),
            "route add default via 10.0.1.1 dev eth1 table 7001".into(),
            "rule add pref 7001 from 10.0.1.50 lookup 7001".into(),
        ],
    )
    .unwrap();
    for from in [fabric.srv(), &peer] {
        netns::connect(from, at([10, 0, 1, 50]), LIMIT)
            .unwrap_or_else(|e| panic!("from {from}: {}", e.chain()));
    }
    // The same address can move to another instance at once.
    fabric.unplug("eni-1");
    assert!(netns::connect(fabric.srv(), at([10, 0, 1, 50]), LIMIT).is_err());
    fabric.plug(&interface("eni-1", "06:00:00:00:00:50", [10, 0, 1, 50]), &peer, "eth1").unwrap();
    netns::ip(
        &peer,
        &[
            "addr add 10.0.1.50/32 dev eth1".into(),
            "link set eth1 up".into(),
            "route add default via 10.0.1.1 dev eth1 table 7001 onlink".into(),
            "rule add pref 7001 from 10.0.1.50 lookup 7001".into(),
        ],
    )
    .unwrap();
    let _more = serve(&peer);
    netns::connect(fabric.srv(), at([10, 0, 1, 50]), LIMIT).expect("the address answers at its new place");
    drop(fabric);
    hand.end();
}

fn serve(namespace: &str) -> TcpListener {
    let listener = netns::listen(namespace, SocketAddr::from(([0, 0, 0, 0], 9092))).unwrap();
    let accepting = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in accepting.incoming().flatten() {
            std::thread::spawn(move || (&stream).read(&mut [0]));
        }
    });
    listener
}
