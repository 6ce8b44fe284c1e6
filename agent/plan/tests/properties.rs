//! What berth writes, read back by java.util.Properties of a real JVM, which is what Kafka reads it with.
//!
//! One JVM judges all cases: those that somebody thought of, and some hundreds that a seeded generator made.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use berth_plan::BrokerId;
use berth_plan::service::properties::{IDENTITY_KEYS, Identity, read, write};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What a file says, or why Java does not load it. Keys and values in UTF-16: Java's texts need not be Unicode.
type Judged = Result<BTreeMap<Vec<u16>, Vec<u16>>, String>;

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The base files that somebody thought of.
const BASES: &[&[u8]] = &[
    b"",
    b"a=1",
    b"a=1\n",
    b"a=1\r\nb=2\r\nbroker.id=7\r\nc=3\r\n",
    b"a=1\rb=2\rbroker.id=7\rc=3\r",
    b"a=1\rb=2\nbroker.id=7\r\n\rc=3",
    b"broker.id=7\r\n\r\n\nx=1",
    // Keys however they are spelled, identity keys among them.
    b"a 1\nb: 2\nc = 3\nd:=4\ne =:5\nf\tg\nh\x0ci\nbroker.id 7\nbroker.rack: r\nlog.dirs\t=\t/x\nlisteners\x0c:y\n",
    b"a\\ b=1\nc\\=d=2\ne\\:f:3\n\\#g=4\n\\!h=5\ni\\\\=6\nbroker\\.id=7\nbroker.id\\ =8\n\\ broker.id=9\n",
    b"  broker.id=7\n\t\x0c log.dirs=/x\n  x=1",
    b"=empty\n: also\n  =again\nx=\ny\nz:",
    b"broker.id\nnode.id\nx\n",
    b"node.id=9\nbroker.id=7\nbroker.id=8\na=1\na=2\na=3\n",
    b"listeners.x=1\nxlisteners=2\nBROKER.ID=3\nbroker.id.x=4\nbroker_id=5\n",
    // Escapes, in keys too.
    b"br\\u006fker.id=7\n\\u006e\\u006Fde.id=8\na=\\u00e4\\u20AC\\uD83D\\uDE00\\t\\n\\r\\f\\q\\\\u0041\n",
    b"\\u0061=\\u0062\\=\\:\\ \\#\n\\u003d=1\nlone=\\uD800x\n",
    b"x=\\u00\\\n   41\nbroker.\\u00\\\n69d=7\n",
    // Refused by Java, in key or value.
    b"path=C:\\users\n",
    b"\\u12=1\n",
    b"x=\\u+041\n",
    b"x=\\u 041\n",
    b"x=1\ny=\\u",
    b"# \\uX is a comment\nx=1\n",
    b"broker.id=\\uX\nx=1\n",
    // Continuation lines.
    b"x=a\\\n  broker.id=3\nbroker.\\\n   id=7\nlisteners=a,\\\n  b,\\\n\t c\ny=1\n",
    b"x=a\\\r\n  broker.id=3\r\nbroker.id=\\\r\n  7\r\ny=1\r\n",
    b"x=a\\\r  broker.id=3\rbroker.id=\\\r  7\ry=1\r",
    b"x=1\\\\\nbroker.id=7\\\\\ny=1\\\\\\\n  z\n",
    b"x=1\\\n\nbroker.id=7\ny=2\\\n   \nlog.dirs=/x\n",
    b"x=1\\ \nbroker.id=7\n",
    b"x=1\\\n# no comment\n! none\n",
    b"x=1\\\n  \\\n  \\\n  2\nbroker\\\n\\\n.id=7\n",
    // Left open at the end of the file.
    b"x=1\\",
    b"x=1\\\n",
    b"x=1\\\r",
    b"x=1\\\r\n",
    b"a=1\nx=1\\\r",
    b"a=1\r\nx=1\\\r",
    b"x=1\\\n   ",
    b"x=\\",
    b"x\\",
    b"broker.id=\\",
    b"node.id\\",
    // Where nothing was read so far, a backslash continues nothing.
    b"\\\nbroker.id=7\nx=1\n",
    b"\\\n#c\\\nnode.id=7\nx=1\n",
    b"  \\\n\\\n\nnode.id=7\n\\\n  x=1\n",
    // Comments: never continued.
    b"#c\\\nnode.id=7\n!d\\\nbroker.id=8\n  #e\\\nx=1\n#f",
    b"#c\\",
    b"! a\r! b\\\rnode.id=7\r",
    // Bytes of other encodings.
    b"\xef\xbb\xbfx=1\nbroker.id=7\n",
    b"na\xc3\xafve=\xe2\x82\xac\nna\xefve=\xff\xa0\xa0\nx\xa0y=1\n",
    b"x=\0\x01\x7f\ny\x0b=1\n\x85=2\n",
];

fn identity(number: u32, odd: &str) -> Identity {
    Identity {
        id: BrokerId::new(number).unwrap(),
        rack: odd.to_owned(),
        listeners: vec!["PLAINTEXT://10.0.1.52:9092".to_owned(), format!("SASL://{odd}:9093")],
        log_dir: format!("/kafkalogs/{odd}"),
        zookeeper: "10.0.1.200:2181,10.0.2.200:2181/kafka".to_owned(),
    }
}

/// What Kafka must find for this identity, by Kafka's own names.
fn meant(identity: &Identity) -> BTreeMap<Vec<u16>, Vec<u16>> {
    let listeners = identity.listeners.join(",");
    let id = identity.id.to_string();
    [
        ("broker.id", id.as_str()),
        ("broker.id.generation.enable", "false"),
        ("broker.rack", &identity.rack),
        ("listeners", &listeners),
        ("advertised.listeners", &listeners),
        ("log.dirs", &identity.log_dir),
        ("zookeeper.connect", &identity.zookeeper),
    ]
    .into_iter()
    .map(|(key, value)| (units(key), units(value)))
    .collect()
}

/// Text made of what the format gives a meaning to, without any regard to it.
fn scrambled() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        16 => prop::sample::select(vec![
            "\\", "\\\\", "\n", "\r", "\r\n", "\\\n", "\\\r\n", "\\\r", "#", "!", "=", ":", " ", "\t", "\x0c",
            "\\u0041", "\\u00e4", "\\n",
        ]),
        8 => prop::sample::select(vec!["broker.id", "node.id", "listeners", "log.dirs", "a", "b"]),
        1 => prop::sample::select(vec!["\\u12", "\u{e4}", "\\u006fde.id"]),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Whole entries and comments, and for each whether it is an identity key's.
fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let key = prop_oneof![
        3 => "[a-z.]{1,3}".prop_map(|key| (format!("x{key}"), false)),
        1 => prop::sample::select(vec!["broker\\u002eid", "bro\\\n   ker.id", "broker\\.id"]).prop_map(|key| (key.to_owned(), true)),
        2 => prop::sample::select(IDENTITY_KEYS.to_vec()).prop_map(|key| (key.to_owned(), true)),
    ];
    let separator = prop::sample::select(vec!["=", ":", " ", " = ", "\t", " : ", "\x0c", "\\\n ="]);
    let value = vec(
        prop::sample::select(vec!["v", " ", "#", "\\\r\n  w", "\\\n\t", "\\u20ac", "\\\\", "=", "\u{e4}"]),
        0..4,
    );
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let entry =
        ("[ \t]{0,2}", key, separator, value, end).prop_map(|(space, (key, ours), separator, value, end)| {
            (format!("{space}{key}{separator}v{}{end}", value.concat()).into_bytes(), ours)
        });
    let comment = prop::sample::select(vec!["#c\\\n", "  ! broker.id=1\r\n", " \n", " \t\r\n", "#\u{e4}\r"])
        .prop_map(|comment| (comment.as_bytes().to_vec(), false));
    vec(prop_oneof![3 => entry, 1 => comment], 0..10)
}

fn generated<T>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("no strategy here rejects anything").current()
}

/// Asks a JVM about all files of a directory.
fn judged(dir: &Path) -> BTreeMap<String, Judged> {
    let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/properties/Judge.java");
    let asked =
        Command::new("java").args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", judge]).arg(dir).output();
    let answer = asked.expect("this needs a JDK (java, with its compiler): .ci/setup installs one");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(
        answer.status.success(),
        "java {judge}: {said}; a JRE alone cannot run it: .ci/setup installs a JDK"
    );
    let text = |hexadecimal: &str| -> Vec<u16> {
        let digits = hexadecimal.strip_prefix('x').expect("the judge writes x first").as_bytes();
        digits
            .chunks(4)
            .map(|four| u16::from_str_radix(std::str::from_utf8(four).unwrap(), 16).unwrap())
            .collect()
    };
    let mut files: BTreeMap<String, Judged> = BTreeMap::new();
    let mut current = String::new();
    for line in String::from_utf8(answer.stdout).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["file", name] => {
                name.clone_into(&mut current);
                files.insert(current.clone(), Ok(BTreeMap::new()));
            }
            ["refused", why] => {
                files.insert(current.clone(), Err(String::from_utf16_lossy(&text(why))));
            }
            ["entry", key, value] => {
                let file = files.get_mut(&current).unwrap().as_mut().unwrap();
                file.insert(text(key), text(value));
            }
            _ => panic!("the judge said {line:?}"),
        }
    }
    files
}

struct Case {
    base: Vec<u8>,
    identity: Identity,
    /// The base without the entries of identity keys, where the case was made of whole entries.
    kept: Option<Vec<u8>>,
}

fn cases() -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let odd = ["eu-central-1a", " two words ", "#=:!\\u0041", "\u{e4}\u{20ac}\u{1f600}\t\n\\", "  "];
    let plain = |base: Vec<u8>, n: usize| {
        let identity = identity(u32::try_from(n).unwrap(), odd[n % odd.len()]);
        Case { base, identity, kept: None }
    };
    let mut cases: Vec<Case> = BASES.iter().enumerate().map(|(n, base)| plain(base.to_vec(), n)).collect();
    for n in 0..500 {
        cases.push(plain(generated(&mut runner, scrambled()), n));
    }
    for n in 0..300 {
        let entries = generated(&mut runner, entries());
        let base = entries.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let kept = entries.into_iter().filter(|(_, ours)| !ours).flat_map(|(bytes, _)| bytes).collect();
        cases.push(Case { kept: Some(kept), ..plain(base, n) });
    }
    cases
}

#[test]
fn a_jvm_reads_back_our_identity_and_every_other_key_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    let mut written = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let file = write(&case.base, &case.identity);
        std::fs::write(dir.path().join(format!("{n}.base")), &case.base).unwrap();
        if let Ok(file) = &file {
            std::fs::write(dir.path().join(format!("{n}.written")), &file.bytes).unwrap();
        }
        written.push(file);
    }
    let files = judged(dir.path());
    let (mut refused, mut replaced) = (0, 0);
    for (n, (case, written)) in cases.iter().zip(&written).enumerate() {
        let base = &files[&format!("{n}.base")];
        let shown = String::from_utf8_lossy(&case.base);
        let Ok(written) = written else {
            assert!(base.is_err(), "case {n}: Java loads what was refused: {shown:?}");
            refused += 1;
            continue;
        };
        let read_back = files[&format!("{n}.written")].clone();
        let mut file = read_back
            .unwrap_or_else(|why| panic!("case {n}: Java refuses what was written: {why}: {shown:?}"));
        let ours: BTreeMap<String, String> = read(&written.bytes).unwrap();
        let theirs: BTreeMap<String, String> = file
            .iter()
            .map(|(key, value)| (String::from_utf16_lossy(key), String::from_utf16_lossy(value)))
            .collect();
        assert_eq!(ours, theirs, "case {n}: berth's own reader: {shown:?}");
        replaced += usize::from(!written.replaced.is_empty());
        match base {
            Ok(base) => {
                let mut expected = base.clone();
                // A backslash alone, at the very end: to Java an empty key, for as long as nothing follows it.
                if ends_with_a_lone_backslash(&case.base) {
                    expected.remove(&vec![]);
                    file.remove(&vec![]);
                }
                IDENTITY_KEYS.iter().for_each(|key| {
                    expected.remove(&units(key));
                });
                expected.extend(meant(&case.identity));
                assert_eq!(file, expected, "case {n}: {shown:?}");
            }
            // The one mistake that is mended: an escape in a line that is replaced.
            Err(why) => assert!(!written.replaced.is_empty(), "case {n}: {why}: {shown:?}"),
        }
        stays(case, &written.bytes, written.replaced.is_empty(), n);
    }
    println!("{} files, {replaced} with identity keys, {refused} refused", cases.len());
    assert!(replaced > 200 && refused > 5, "{replaced} with identity keys, {refused} refused");
}

fn ends_with_a_lone_backslash(base: &[u8]) -> bool {
    let text = base.strip_suffix(b"\n").unwrap_or(base);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let last = text.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let space = last.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0c)).count();
    last[space..] == *b"\\"
}

/// Every byte of the base but the lines of identity keys, in its order, before the block that berth adds.
fn stays(case: &Case, written: &[u8], untouched: bool, n: usize) {
    let mark = format!("# The identity of slot {}, written by berth", case.identity.id);
    let at = written.windows(mark.len()).rposition(|bytes| bytes == mark.as_bytes()).unwrap();
    let text = &written[..at];
    let kept = if untouched { Some(&case.base) } else { case.kept.as_ref() };
    if let Some(kept) = kept {
        let added = text.strip_prefix(kept.as_slice());
        let added = added
            .unwrap_or_else(|| panic!("case {n}: the text has changed: {:?}", String::from_utf8_lossy(text)));
        assert!(added.iter().all(|byte| matches!(byte, b'\n' | b'\r')), "case {n}: {added:?}");
    }
    // In any case nothing was put between, and nothing turned round.
    let mut rest = case.base.iter();
    let ends = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    assert!(text[..ends].iter().all(|byte| rest.any(|base| base == byte)), "case {n}: not in the base");
}
