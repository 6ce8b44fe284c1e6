//! The format, judged by another reader of it.

use super::*;
use proptest::prelude::*;

fn identity() -> Identity {
    Identity {
        id: crate::BrokerId::new(2).unwrap(),
        rack: "eu-central-1a".into(),
        listeners: vec!["PLAINTEXT://10.0.1.52:9092".into()],
        log_dir: "/kafkalogs/data".into(),
        zookeeper: "10.0.1.200:2181,10.0.2.200:2181/kafka".into(),
    }
}

fn judged(file: &[u8]) -> BTreeMap<String, String> {
    java_properties::read(file).unwrap().into_iter().collect()
}

#[test]
fn identity_is_written_and_the_rest_stays() {
    let base = b"# ours\nnum.io.threads=8\n! theirs\nbroker.id=99\nlog.retention.hours : 24\n";
    let written = write(base, &identity()).unwrap();
    let expected = "# ours\nnum.io.threads=8\n! theirs\nlog.retention.hours : 24\n\n\
        # The identity of slot 2, written by berth at each boot.\n\
        broker.id=2\nbroker.id.generation.enable=false\nbroker.rack=eu-central-1a\n\
        listeners=PLAINTEXT://10.0.1.52:9092\nadvertised.listeners=PLAINTEXT://10.0.1.52:9092\n\
        log.dirs=/kafkalogs/data\nzookeeper.connect=10.0.1.200:2181,10.0.2.200:2181/kafka\n";
    assert_eq!(String::from_utf8(written.bytes).unwrap(), expected);
    assert_eq!(written.replaced, [(4, "broker.id".to_owned())]);
}

#[test]
fn identity_keys_are_found_however_they_are_spelled() {
    for line in [
        "broker.id 7",
        "  broker.id\t=7",
        "broker.id:7",
        "br\\u006fker.id=7",
        "broker\\.id=7",
        "broker.\\\n   id=7",
        "broker.id=\\\n  7",
        "broker.id",
        "node.id=7",
        "broker.id=7\r\nx=1",
    ] {
        let written = write(line.as_bytes(), &identity()).unwrap();
        let read = judged(&written.bytes);
        assert_eq!(written.replaced.len(), 1, "{line:?}");
        assert_eq!((read["broker.id"].as_str(), read.get("node.id")), ("2", None), "{line:?}");
    }
}

#[test]
fn what_only_looks_like_an_identity_key_stays() {
    let base = "#broker.id=1\nx=a\\\n  broker.id=3\nlisteners.x=1\n";
    let written = write(base.as_bytes(), &identity()).unwrap();
    assert!(written.bytes.starts_with(base.as_bytes()) && written.replaced.is_empty());
    assert_eq!(judged(&written.bytes)["x"], "abroker.id=3");
}

#[test]
fn an_open_continuation_does_not_swallow_the_identity() {
    for base in ["x=1\\", "x=1\\\n", "#c\\", "x=1", ""] {
        let read = judged(&write(base.as_bytes(), &identity()).unwrap().bytes);
        assert_eq!(read["broker.id"], "2", "{base:?}");
        assert_eq!(read.get("x").map(String::as_str), base.starts_with('x').then_some("1"), "{base:?}");
    }
}

#[test]
fn the_line_ends_of_the_base_are_kept() {
    let written = write(b"a=1\r\nb=2\r\n", &identity()).unwrap();
    let text = String::from_utf8(written.bytes).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
}

#[test]
fn an_escape_that_java_does_not_load_is_refused_with_its_line() {
    for (base, line, found) in [
        ("a=1\npath=C:\\users\n", 2, "\\users"),
        ("a=1\r\n\r\nb=x\\\r\n  y\\u00\r\n", 4, "\\u00"),
        ("#\\uX\n\\u+123=1", 2, "\\u+123"),
    ] {
        let refused = write(base.as_bytes(), &identity()).unwrap_err();
        assert_eq!((refused.line, refused.found.as_str()), (line, found), "{base:?}");
        let sentence = refused.to_string();
        assert!(sentence.starts_with(&format!("\"{found}\" is no \\uXXXX escape")), "{sentence}");
    }
    let replaced = write(b"broker.id=\\uX\nx=1\n", &identity()).unwrap();
    assert_eq!(replaced.replaced.len(), 1, "what is replaced need not be readable");
}

#[test]
fn the_text_of_the_user_stays_byte_for_byte() {
    let base = b"#\xc3\xa4 \\\r\nbroker.id 7\r\n\r\n! \xe4\rx \\\r\n\t\x0c1\r\nlisteners:\\\r\n  a,\\\r\n  b\r\ny=\xff";
    let kept = b"#\xc3\xa4 \\\r\n\r\n! \xe4\rx \\\r\n\t\x0c1\r\ny=\xff\r\n\r\n# The identity of slot 2,";
    let written = write(base, &identity()).unwrap();
    assert!(written.bytes.starts_with(kept), "{}", String::from_utf8_lossy(&written.bytes));
    assert_eq!(written.replaced, [(2, "broker.id".to_owned()), (7, "listeners".to_owned())]);
}

proptest! {
    #[test]
    fn what_another_reader_reads_is_what_was_meant(
        lines in proptest::collection::vec(
            ("[ \t]{0,2}", prop_oneof!["[a-z.]{1,6}", Just("log.dirs".to_owned()), Just("listeners".to_owned())],
             prop_oneof!["=", ":", " ", " = ", "\t"], "[a-z0-9 =:#!,/]{0,6}(\\\\\\\\)?", prop_oneof!["\n", "\r\n", "\\\n  y\n"]),
            0..8),
    ) {
        let base: String = lines.iter().map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}")).collect();
        let mut meant = judged(base.as_bytes());
        for key in IDENTITY_KEYS { meant.remove(key); }
        for (key, value) in identity().entries() { meant.insert(key.to_owned(), value); }
        let written = write(base.as_bytes(), &identity()).unwrap().bytes;
        prop_assert_eq!(&judged(&written), &meant, "{:?}", base);
        prop_assert_eq!(&read(&written).unwrap(), &meant, "{:?}", base);
    }
}
