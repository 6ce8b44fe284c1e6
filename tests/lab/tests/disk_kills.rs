//! kill -9 before and after each sub-step of formatting and mounting, then again: ends mounted, the tag `done` confirmed, nothing
//! else changed.
//!
//! The sub-steps are not listed here: an undisturbed boot tells them. It is traced for every system call that touches the
//! device, the mount or server.properties, and the region's journal tells its calls. A kill at the entry of a call (strace's
//! `signal=KILL`: ptrace(2) skips the call) is one after all that came before.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::BTreeMap;

use common::clusters::{Case, EMPTY, Slot, side_by_side};
use common::lab_runs::{made, played};
use futures_util::future::join;
use lab::lab_run::LabRun;
use region::model::{Event, Fault, FaultKind};
use serde_json::Value;

/// What berth touches in steps 7 and 8.
const TOUCHED: &[&str] = &[
    "/dev/nvme1n1",
    "/kafkalogs",
    "/kafkalogs/data",
    "/etc/kafka",
    "/etc/kafka/server.properties",
    "/etc/kafka/.server.properties.berth-new",
];

/// Stands before each tool: counts, and where it is told to, ends the tool and then berth, which has not seen that end yet; or
/// berth alone, and the tool goes on; or the tool alone, as the kernel does where memory is short.
const BEFORE_TOOLS: &str = r#"
for tool in mkfs.xfs mkfs.ext4 e2fsck xfs_growfs resize2fs; do
cat >/usr/local/sbin/$tool <<'END'
#!/bin/sh
tool=/usr/sbin/$(basename $0)
echo "$@" >>/var/log/lab/$(basename $0).calls
test -e /run/kill-in-$(basename $0) || exec $tool "$@"
how=$(cat /run/kill-in-$(basename $0)); rm /run/kill-in-$(basename $0)
case $how in
before) ;;
after) $tool "$@" ;;
alone:*) exec strace -f -qq -o /dev/null -e inject=${how#alone:} $tool "$@" ;;
outlived:*)
  # The device is its standard input, which a shell takes from what it leaves in the background.
  exec 3<&0
  setsid strace -f -qq -o /run/outlived -e inject=${how#outlived:}:delay_enter=1500000 $tool "$@" <&3 3<&- &
  until grep -qs 'O_RDWR.*O_EXCL' /run/outlived; do sleep 0.01; done ;;
*) strace -f -qq -o /dev/null -e inject=$how $tool "$@" ;;
esac
kill -9 $PPID
END
chmod +x /usr/local/sbin/$tool
done
"#;

/// A case whose tools can be ended half way.
async fn case<'a>(lab: &'a LabRun, name: &str, format: &str) -> Case<'a> {
    let case = Case::make(lab, name, &[format]).await;
    case.shell(BEFORE_TOOLS).await;
    case
}

/// How often a tool was run.
async fn runs(case: &Case<'_>, tool: &str) -> usize {
    case.shell(&format!("cat /var/log/lab/{tool}.calls 2>/dev/null | wc -l")).await.trim().parse().unwrap()
}

/// Boots again after the kill, and looks at all that may have gone wrong.
async fn goes_on(case: &Case<'_>, fs: &str) {
    let name = &case.name;
    case.boots(0).await;
    let Slot { volume, eni } = &case.slots[0];
    let uuid = case.image(0).filesystem_uuid().unwrap();
    let spent = [format!("started:{fs}:{uuid}"), format!("done:{fs}:{uuid}")];
    assert_eq!(case.formats(0), spent, "{name}: the consent is spent once, on one UUID");
    assert_eq!(case.mounts("/kafkalogs").await, [format!("/dev/nvme1n1 {fs}")], "{name}");
    assert_eq!(case.count("AttachVolume", "ok"), 1, "{name}");
    assert_eq!(case.count("AttachNetworkInterface", "ok"), 1, "{name}");
    assert_eq!(case.count("DetachVolume", "ok") + case.count("DetachNetworkInterface", "ok"), 0, "{name}");
    let claim = case.record("slots/0").await;
    let disk = serde_json::json!({"volume": volume, "fs": fs, "uuid": uuid});
    assert_eq!((&claim["disk"], &claim["state"]), (&disk, &"held".into()), "{name}: {claim}");
    assert_eq!(claim["history"].as_array().map(Vec::len), Some(1), "{name}: taken once: {claim}");
    assert_eq!(case.record("faults/0").await, Value::Null, "{name}");
    let attached = [(volume.clone(), case.on.id.clone()), (eni.clone(), case.on.id.clone())];
    assert_eq!(case.attached(), attached, "{name}");
    let host = "stat -c '%U %a' /kafkalogs/data; ls -A /etc/kafka /kafkalogs/data; ip rule show | grep -c '^7001:'; df --output=size -BG /kafkalogs | tail -1";
    let host = case.shell(host).await;
    let lines: Vec<&str> = host.split_whitespace().collect();
    let wanted =
        ["kafka", "755", "/etc/kafka:", "server.properties", "server.properties.base", "/kafkalogs/data:"];
    assert_eq!(lines[..6], wanted, "{name}: {host}");
    assert_eq!(lines[6..], ["meta.properties", "1", "2G"], "{name}: {host}");
}

/// A system call of berth on one of the paths of [`TOUCHED`]: how often its thread had made it there when it came.
#[derive(PartialEq)]
struct Call {
    name: String,
    on: &'static str,
    nth: usize,
}

impl Call {
    /// What ends berth at the entry of this call. strace counts each thread for itself, as [`Call::nth`] does.
    fn killing(&self) -> String {
        let Call { name, on, nth } = self;
        format!("strace -f -qq -o /tmp/trace -P {on} -e inject={name}:signal=KILL:when={nth} berth boot")
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, line: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(line, "{}:{} {}", self.name, self.nth, self.on)
    }
}

/// The system calls of a boot on what it touches, of all its threads (the disk's work is done on threads of its own), not of
/// its tools. What a call that only reads is killed before, the next call that changes something is killed before too.
async fn traced(case: &Case<'_>) -> Vec<Call> {
    let paths: String = TOUCHED.iter().map(|path| format!(" -P {path}")).collect();
    let ran =
        case.tried(&format!("strace -f -y -Y -qq -o /tmp/trace{paths} -e signal=none berth boot")).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let trace = case.shell("cat /tmp/trace").await;
    const READS: &[&str] = &[
        "read",
        "pread64",
        "readlink",
        "fstat",
        "stat",
        "lstat",
        "statx",
        "statfs",
        "fcntl",
        "close",
        "ioctl",
        "getdents64",
        "lseek",
    ];
    // A child of berth's makes it, before it is the tool.
    const CHILDS: &str = "dup2";
    const THREADS: &[&str] = &["berth", "disk", "tokio-runtime-w"];
    let mut made: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    // `123<disk> openat(AT_FDCWD</>, "/kafkalogs", ...) = 3</kafkalogs>`
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let of_berth = THREADS.iter().any(|name| thread.ends_with(&format!("<{name}>")));
        let Some((name, arguments)) = call.trim_start().split_once('(').filter(|_| of_berth) else {
            continue;
        };
        // -P knows the first path that a call is given, not what it returns.
        let arguments = arguments.rsplit_once(") = ").map_or(arguments, |(given, _)| given);
        let first = TOUCHED.iter().filter_map(|path| {
            let as_written = [format!("\"{path}\""), format!("<{path}>"), format!("<{path}<")];
            let at = as_written.iter().filter_map(|text| arguments.find(text.as_str())).min()?;
            Some((at, *path))
        });
        let Some((_, on)) = first.min() else { continue };
        let nth = made.entry((thread, name, on)).or_default();
        *nth += 1;
        let call = Call { name: name.to_owned(), on, nth: *nth };
        if !READS.contains(&name) && name != CHILDS && !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_killed_at_any_system_call_on_the_disk_goes_on() {
    let lab = played(made(EMPTY).await).await;
    let reference = case(&lab, "calls", "xfs").await;
    let calls = traced(&reference).await;
    let listed: Vec<String> = calls.iter().map(Call::to_string).collect();
    println!("{} system calls: {}", calls.len(), listed.join(", "));
    for call in ["mount", "mkdir", "fchown", "rename"] {
        assert!(calls.iter().any(|made| made.name == call), "no {call} in {listed:?}");
    }
    side_by_side(calls.iter().enumerate().map(async |(at, call)| {
        let name = format!("calls-{at}");
        let case = case(&lab, &name, "xfs").await;
        let killed = case.tried(&call.killing()).await;
        assert_eq!(killed.code, 137, "{name}: {call}: {}", killed.err);
        goes_on(&case, "xfs").await;
        assert!(runs(&case, "mkfs.xfs").await == 1, "{name}: {call}");
    }))
    .await;
    lab.end(false).await.unwrap();
}

/// Ends berth while the region has this call: before it is done, or done and not yet answered.
async fn killed_at(case: &Case<'_>, action: &str, skip: usize, kind: FaultKind) {
    let outcome = match kind {
        FaultKind::Reset => "reset",
        FaultKind::Slow(_) => "ok",
        _ => "lost",
    };
    let fault = Fault { caller: Some(case.on.id.clone()), skip: skip as u32, ..Fault::next(action, kind) };
    case.lab.served.with(|region| region.inject(fault));
    let from = case.lab.journal_length();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let at_call = async {
        case.seen(action, from, |event| {
            let mine = matches!(event, Event::Call { caller: Some(caller), .. } if *caller == case.on.id);
            let is = mine && event.as_call().is_some_and(|(a, _)| a == action);
            if is && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == skip {
                assert_eq!(event.as_call(), Some((action, outcome)), "{}", case.name);
                return true;
            }
            false
        })
        .await;
        case.shell("kill -9 $(cat /run/boot.pid)").await;
    };
    let (ran, ()) = join(case.tried("sh -c 'echo $$ >/run/boot.pid; exec berth boot'"), at_call).await;
    assert_eq!(ran.code, 137, "{}: {}", case.name, ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_killed_at_any_call_about_the_disk_goes_on() {
    let lab = played(made(EMPTY).await).await;
    let reference = case(&lab, "api", "xfs").await;
    reference.boots(0).await;
    let mut nth: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for entry in lab.journal(0) {
        let Event::Call { api, action, caller: Some(_), .. } = &entry.event else { continue };
        if api != "ec2" {
            continue;
        }
        let skip = nth.entry(action.clone()).or_default();
        calls.push((action.clone(), *skip));
        *skip += 1;
    }
    // From the claim of the slot on; what comes before is not about the disk.
    let from = calls.iter().position(|(action, _)| action == "AttachVolume").unwrap();
    let calls: Vec<_> = calls
        .split_off(from + 1)
        .into_iter()
        .filter(|(a, _)| a == "CreateTags" || a == "DescribeVolumes")
        .collect();
    println!("{} calls: {calls:?}", calls.len());
    assert_eq!(calls.iter().filter(|(action, _)| action == "CreateTags").count(), 2, "{calls:?}");
    let kinds = [("before", FaultKind::Reset), ("done", FaultKind::Slow(60_000))];
    let cases = calls.iter().flat_map(|call| kinds.iter().map(move |kind| (call, kind)));
    side_by_side(cases.map(async |((action, skip), (word, kind))| {
        let name = format!("api-{}-{skip}-{word}", action.to_lowercase());
        let case = case(&lab, &name, "xfs").await;
        killed_at(&case, action, *skip, kind.clone()).await;
        goes_on(&case, "xfs").await;
        assert_eq!(runs(&case, "mkfs.xfs").await, 1, "{name}");
    }))
    .await;
    lab.end(false).await.unwrap();
}

/// The first run's mark arrives when the second run has spent the consent under a UUID of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_arrives_after_the_next_run_has_formatted_changes_nothing() {
    let lab = played(made(EMPTY).await).await;
    let mut case = case(&lab, "late", "xfs").await;
    killed_at(&case, "CreateTags", 0, FaultKind::LateCommit(6_000)).await;
    case.boots(0).await;
    let uuid = case.image(0).filesystem_uuid().unwrap();
    let formats = [format!("started:xfs:{uuid}"), format!("done:xfs:{uuid}")];
    assert_eq!(case.formats(0), formats);
    case.seen("the late mark", 0, |event| {
        matches!(event, Event::TagsChanged { tags, .. } if tags.get("berth:format").is_some_and(|text| text.starts_with("started:") && *text != formats[0]))
    })
    .await;
    assert_eq!(runs(&case, "mkfs.xfs").await, 1);
    case.shell("echo data >/kafkalogs/data/mine; sync").await;
    case.replaced().await;
    case.shell(BEFORE_TOOLS).await;
    case.boots(0).await;
    assert_eq!(case.image(0).filesystem_uuid().unwrap(), uuid);
    assert_eq!(case.shell("cat /kafkalogs/data/mine").await, "data\n");
    assert_eq!(runs(&case, "mkfs.xfs").await, 0);
    lab.end(false).await.unwrap();
}

/// Ends a tool at `how`, and berth with it; how often the tool ran in all.
async fn killed_in(case: &Case<'_>, fs: &str, tool: &str, how: &str) -> usize {
    case.shell(&format!("printf %s '{how}' >/run/kill-in-{tool}")).await;
    if !how.starts_with("alone:") {
        let killed = case.tried("berth boot").await;
        assert_eq!(killed.code, 137, "{}: {tool} {how}: {}", case.name, killed.err);
    }
    goes_on(case, fs).await;
    assert_eq!(
        case.tried(&format!("test -e /run/kill-in-{tool}")).await.code,
        1,
        "{}: {tool} ran",
        case.name
    );
    runs(case, tool).await
}

/// How many writes an undisturbed mkfs makes.
async fn writes(lab: &LabRun, fs: &str) -> usize {
    let case = case(lab, &format!("{fs}-writes"), fs).await;
    let force = if fs == "xfs" { "-f" } else { "-F" };
    let line = format!(
        "truncate -s 2G /tmp/image; strace -f -qq -o /tmp/mkfs -e trace=pwrite64 mkfs.{fs} {force} /tmp/image >/dev/null; rm /tmp/image"
    );
    case.shell(&line).await;
    let writes = case.shell("grep -c pwrite64 /tmp/mkfs").await.trim().parse().unwrap();
    println!("mkfs.{fs} of 2 GiB makes {writes} writes");
    writes
}

/// Where the tools are ended besides at the writes of mkfs, and how often each runs then in all.
fn ways(fs: &str) -> Vec<(String, String, usize)> {
    let mkfs = format!("mkfs.{fs}");
    // mkfs.ext4 syncs before it writes the superblock, its last act but another sync; mkfs.xfs clears the mark "in progress"
    // and then syncs twice.
    let (before, last) = if fs == "xfs" {
        (("fsync:signal=KILL:when=1", 1), "fsync:signal=KILL:when=2")
    } else {
        (("fsync:signal=KILL:when=3", 2), "fsync:signal=KILL:when=4")
    };
    let mut ways = vec![
        (mkfs.clone(), "before", 2),
        (mkfs.clone(), before.0, before.1),
        (mkfs.clone(), last, 1),
        (mkfs.clone(), "after", 1),
        (mkfs.clone(), "alone:pwrite64:signal=KILL:when=4", 2),
        (mkfs.clone(), "outlived:fsync", 1),
        (mkfs, "outlived:pwrite64:when=4", 1),
    ];
    if fs == "ext4" {
        let e2fsck = [
            "before",
            "after",
            "pread64:signal=KILL:when=3",
            "alone:pread64:signal=KILL:when=3",
            "outlived:pread64:when=9",
        ];
        ways.extend(e2fsck.map(|how| ("e2fsck".to_owned(), how, 2)));
    }
    ways.into_iter().map(|(tool, how, runs)| (tool, how.to_owned(), runs)).collect()
}

/// Each in its own case.
async fn killed_in_tools(lab: &LabRun, fs: &str, ways: &[(String, String, usize)]) {
    side_by_side(ways.iter().enumerate().map(async |(n, (tool, how, expected))| {
        let case = case(lab, &format!("{fs}-{n}"), fs).await;
        let ran = killed_in(&case, fs, tool, how).await;
        println!("{}: {tool} {how}: it ran {ran} times", case.name);
        assert_eq!(ran, *expected, "{}: {tool} {how}", case.name);
    }))
    .await;
}

/// mkfs ended before this one of its writes.
fn before_write(fs: &str, nth: usize) -> (String, String, usize) {
    (format!("mkfs.{fs}"), format!("pwrite64:signal=KILL:when={nth}"), 2)
}

async fn killed_between_the_looks_of_the_disk(fs: &str) {
    let lab = played(made(EMPTY).await).await;
    let all = writes(&lab, fs).await;
    // Nothing yet; signatures wiped; the first superblock; behind it; half way; before the last superblock.
    let mut ways = ways(fs);
    ways.extend([1, 2, 3, 4, 5, all / 2, all - 1, all].map(|nth| before_write(fs, nth)));
    killed_in_tools(&lab, fs, &ways).await;
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_killed_in_mkfs_xfs_goes_on() {
    killed_between_the_looks_of_the_disk("xfs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_killed_in_mkfs_ext4_or_e2fsck_goes_on() {
    killed_between_the_looks_of_the_disk("ext4").await;
}

/// Hundreds of boots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make test-all"]
async fn a_boot_killed_at_any_write_of_mkfs_goes_on() {
    for fs in ["xfs", "ext4"] {
        let lab = played(made(EMPTY).await).await;
        let all = writes(&lab, fs).await;
        lab.end(false).await.unwrap();
        let ways: Vec<_> = (1..=all).map(|nth| before_write(fs, nth)).collect();
        // Two addresses each of the subnet, and its 10.0.1.200 is ZooKeeper.
        for some in ways.chunks(80) {
            let lab = played(made(EMPTY).await).await;
            killed_in_tools(&lab, fs, some).await;
            lab.end(false).await.unwrap();
        }
    }
}
