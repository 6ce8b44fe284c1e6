//! The served region: its time passes with the clock, waits end when the thing happens, and the metadata service knows
//! who asks by the address.

use std::net::{SocketAddr, TcpListener};

use region::model::*;
use region::wire::{Identify, Served};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

fn settings() -> Settings {
    let delays = Delays { instance_pending: Delay::Fixed(120), ..Delays::none() };
    Settings { delays, ..Settings::default() }
}

fn subnet(region: &mut Region, cidr: &str) -> SubnetId {
    region.add_subnet(SubnetSpec { zone: "eu-central-1a".into(), cidr: cidr.into(), ..SubnetSpec::default() })
}

fn run(region: &mut Region, subnet: &str) -> InstanceId {
    region.run_instance(LaunchSpec { subnet: subnet.into(), ..LaunchSpec::default() })
}

/// One request from an address of our own choice; everything that came back until the connection closed.
async fn raw(from: &str, to: SocketAddr, request: &str) -> std::io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{from}:0").parse().map_err(std::io::Error::other)?)?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_wait_on_the_journal_ends_when_the_thing_happens_and_not_before() {
    let mut region = Region::new(settings());
    let place = subnet(&mut region, "10.0.1.0/24");
    let served = Served::start(region);
    let instance = served.with(|region| run(region, &place));
    let is_running = |entry: &Entry| match &entry.event {
        Event::InstanceRunning { instance } => Some((instance.clone(), entry.at, entry.seq)),
        _ => None,
    };
    let launched =
        served.journal(0).iter().find(|e| matches!(e.event, Event::InstanceLaunched { .. })).unwrap().at;
    let (who, at, seq) = served.wait_for(0, is_running).await;
    assert_eq!((who, at), (instance, launched + 120));
    // From there on only what comes later counts.
    let second = served.clone();
    let waiting = tokio::spawn(async move { second.wait_for(seq + 1, is_running).await });
    let other = served.with(|region| run(region, &place));
    assert_eq!(waiting.await.unwrap().0, other);
}

#[tokio::test]
async fn the_metadata_service_knows_who_asks_by_the_address() {
    let mut region = Region::new(settings());
    let place = subnet(&mut region, "127.0.7.0/24");
    let (one, two) = (run(&mut region, &place), run(&mut region, &place));
    let served = Served::start(region);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_imds(listener, Identify::ByAddress);
    let put = "PUT /latest/api/token HTTP/1.1\nHost: imds\nConnection: close\nX-aws-ec2-metadata-token-ttl-seconds: 60\n\n";
    for (from, instance) in [("127.0.7.10", one), ("127.0.7.11", two)] {
        let answer = raw(from, at, put).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let token = answer.split("\r\n\r\n").nth(1).unwrap();
        let get = format!(
            "GET /latest/meta-data/instance-id HTTP/1.1\nHost: imds\nConnection: close\nX-aws-ec2-metadata-token: {token}\n\n"
        );
        let answer = raw(from, at, &get).await.unwrap();
        assert_eq!(answer.split("\r\n\r\n").nth(1), Some(instance.as_str()));
    }
    assert_eq!(raw("127.0.0.1", at, put).await.unwrap(), "", "an address of no instance gets no answer");
}

#[tokio::test]
async fn an_injected_reset_reaches_the_client_as_a_reset() {
    let mut region = Region::new(settings());
    let place = subnet(&mut region, "127.0.7.0/24");
    run(&mut region, &place);
    region.inject(Fault { api: Some("imds".into()), ..Fault::next("PUT *", FaultKind::Reset) });
    let served = Served::start(region);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_imds(listener, Identify::ByAddress);
    let put = "PUT /latest/api/token HTTP/1.1\nHost: imds\n\n";
    let error = raw("127.0.7.10", at, put).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused_and_control_needs_none() {
    let served = Served::start(Region::new(settings()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_api(listener);
    let get = "GET /?Action=DescribeVolumes&Version=2016-11-15 HTTP/1.1\nHost: region\nConnection: close\n\n";
    let answer = raw("127.0.0.1", at, get).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("MissingAuthenticationToken"), "{answer}");
    let fault = r#"{"action":"AttachVolume","kind":{"late-commit":5000}}"#;
    let length = fault.len();
    let post = format!(
        "POST /_region/faults HTTP/1.1\nHost: r\nConnection: close\nContent-Length: {length}\n\n{fault}"
    );
    let answer = raw("127.0.0.1", at, &post).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let armed = served.with(|region| region.faults().next().map(|fault| fault.kind.clone()));
    assert_eq!(armed, Some(FaultKind::LateCommit(5_000)));
    let wrong = "POST /_region/faults HTTP/1.1\nHost: r\nConnection: close\nContent-Length: 2\n\n{}";
    let answer = raw("127.0.0.1", at, wrong).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("kind"), "{answer}");
}

/// A call below `/_region/`: the status line and the body.
async fn control(at: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(String, String)> {
    let length = body.len();
    let request = format!(
        "{method} /_region/{path} HTTP/1.1\nHost: r\nConnection: close\nContent-Length: {length}\n\n{body}"
    );
    let answer = raw("127.0.0.1", at, &request).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

#[tokio::test]
async fn volumes_and_interfaces_are_spoiled_by_control() {
    let mut region = Region::new(settings());
    let place = subnet(&mut region, "10.0.1.0/24");
    let volume = region.add_volume(VolumeSpec { zone: "eu-central-1a".into(), ..VolumeSpec::default() });
    let eni = region.add_eni(EniSpec { subnet: place, ..EniSpec::default() });
    let served = Served::start(region);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_api(listener);
    let spoil = r#"{"state":"error","key":"pending-deletion"}"#;
    let (status, _) = control(at, "POST", &format!("volumes/{volume}"), spoil).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let (state, key) = served.with(|region| region.volume(&volume).map(|v| (v.state, v.key)).unwrap());
    assert_eq!((state, key), (VolumeState::Error, Key::PendingDeletion));
    let change = r#"{"requester_managed":true,"interface_type":"lambda","status":"pending"}"#;
    let (status, _) = control(at, "POST", &format!("enis/{eni}"), change).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let seen = served.with(|region| region.eni(&eni).cloned().unwrap());
    assert!(seen.requester_managed && seen.pending && seen.interface_type == "lambda");
    for (path, body, wanted, says) in [
        ("volumes/vol-0", "{}", "404", "no such volume"),
        ("enis/eni-0", "{}", "404", "no such interface"),
        (&*format!("volumes/{volume}"), r#"{"state":"in-use"}"#, "400", "in-use"),
        (&*format!("volumes/{volume}"), r#"{"sate":"error"}"#, "400", "sate"),
    ] {
        let (status, body) = control(at, "POST", path, body).await.unwrap();
        assert!(status.contains(wanted) && body.contains(says), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn pools_and_stacks_are_moved_by_control() {
    let mut region = Region::new(settings());
    let subnets = vec![subnet(&mut region, "10.0.1.0/24")];
    region.add_group(GroupSpec { name: "g".into(), max: 1, desired: 1, subnets, ..GroupSpec::default() });
    region.add_stack(StackSpec { name: "s".into(), group_name: "g".into(), ..StackSpec::default() });
    let served = Served::start(region);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_api(listener);
    let lifecycle = |wanted: &'static str| {
        let served = served.clone();
        async move {
            let is = |entry: &Entry| match &entry.event {
                Event::LifecycleState { instance, state } => (state == wanted).then(|| instance.clone()),
                _ => None,
            };
            served.wait_for(0, is).await
        }
    };
    let id = lifecycle("InService").await;
    for (what, state) in
        [("enter-warm-pool?state=Hibernated", "Warmed:Hibernated"), ("leave-warm-pool", "Pending")]
    {
        let (status, _) = control(at, "POST", &format!("instances/{id}/{what}"), "").await.unwrap();
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert_eq!(lifecycle(state).await, id);
    }
    let (status, body) =
        control(at, "POST", &format!("instances/{id}/enter-warm-pool?state=Cold"), "").await.unwrap();
    assert!(status.contains("400") && body.contains("Hibernated"), "{status} {body}");
    for wanted in ["200", "404"] {
        let (status, _) = control(at, "DELETE", "stacks/s?retain=true", "").await.unwrap();
        assert!(status.contains(wanted), "{status}");
    }
}

#[tokio::test]
async fn what_ec2_says_to_an_instance_is_caused_by_control() {
    let mut region = Region::new(settings());
    let place = subnet(&mut region, "10.0.1.0/24");
    let id = run(&mut region, &place);
    let served = Served::start(region);
    let running = |entry: &Entry| matches!(entry.event, Event::InstanceRunning { .. }).then_some(());
    served.wait_for(0, running).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served.serve_api(listener);
    let event = r#"{"code":"system-reboot","in_ms":3600000}"#;
    for (what, body, wanted, says) in [
        ("interrupt-spot?action=fly", "", "400", "hibernate"),
        ("interrupt-spot?action=stop", "", "200", "done"),
        ("interrupt-spot?action=stop", "", "404", "not interrupted yet"),
        ("recommend-rebalance", "", "200", "done"),
        ("events", event, "200", "done"),
        ("events", r#"{"code":"flood","in_ms":1}"#, "400", "flood"),
        ("checks", r#"{"ebs":"impaired"}"#, "200", "done"),
        ("checks", r#"{"disk":"impaired"}"#, "400", "disk"),
        ("console", "boot\n", "200", "done"),
    ] {
        let (status, body) = control(at, "POST", &format!("instances/{id}/{what}"), body).await.unwrap();
        assert!(status.contains(wanted) && body.contains(says), "{what}: {status} {body}");
    }
    for (what, body) in [("recommend-rebalance", ""), ("events", event), ("checks", "{}"), ("console", "")] {
        let (status, _) = control(at, "POST", &format!("instances/i-0/{what}"), body).await.unwrap();
        assert!(status.contains("404"), "{what} of nobody: {status}");
    }
    let notices = served.with(|region| region.instance(&id).unwrap().notices.clone());
    assert_eq!(notices.spot.unwrap().0, SpotAction::Stop);
    assert!(notices.rebalance.is_some());
    let checks = served.with(|region| region.instance(&id).unwrap().checks);
    assert_eq!((checks.ebs, checks.system), (Check::Impaired, Check::Ok));
    let event = format!("instances/{id}/events/{}", notices.events[0].id);
    for wanted in ["200", "404"] {
        let (status, _) = control(at, "DELETE", &event, "").await.unwrap();
        assert!(status.contains(wanted), "{status}");
    }
}
