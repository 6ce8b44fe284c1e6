//! Broken configuration, by the built program: each mistake is one sentence with its place, and exit code 78.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const WHOLE: &[u8] = b"cluster = \"orders\"\nzookeeper = \"z1:2181,z2:2181/kafka\"\n";

/// A mistake: the files, and what is said. `{}` is the directory.
struct Mistake {
    files: &'static [(&'static str, &'static [u8])],
    sentence: &'static str,
}

const fn one(text: &'static [u8], sentence: &'static str) -> (&'static [u8], &'static str) {
    (text, sentence)
}

/// Mistakes of one file.
const MISTAKES: &[(&[u8], &str)] = &[
    // Keys.
    one(b"clutser = \"a\"\n", "{}/berth.toml:1:1: there is no key `clutser`; did you mean `cluster`?"),
    one(
        b"cluster = \"a\"\n\n[volume]\n  log_dri = \"x\"\n",
        "{}/berth.toml:4:3: [volume] has no key `log_dri`; did you mean `log_dir`?",
    ),
    one(
        b"[kafka]\nwibble = 1\n",
        "{}/berth.toml:2:1: [kafka] has no key `wibble`; known here: unit, user, base, properties, rack, listeners, ready",
    ),
    // Types.
    one(b"cluster = 7\n", "{}/berth.toml:1:11: `cluster` is a string, not an integer"),
    one(b"[boot]\ndeadline = 30\n", "{}/berth.toml:2:12: `boot.deadline` is a string, not an integer"),
    one(
        b"[kafka]\nlisteners = \"PLAINTEXT://{address}:9092\"\n",
        "{}/berth.toml:2:13: `kafka.listeners` is a list of strings, not a string",
    ),
    one(
        b"[slots]\nattach = [\"eni\", true]\n",
        "{}/berth.toml:2:18: `slots.attach` is a list of strings, not a boolean",
    ),
    one(
        b"[[volume]]\nmount = \"/a\"\n",
        "{}/berth.toml:1:3: `volume` is a table, written [volume], not an array",
    ),
    one(b"cluster.name = \"a\"\n", "{}/berth.toml:1:1: `cluster` is a string, not a table"),
    // Tables.
    one(
        b"[volume]\nunit = \"a\"\n",
        "{}/berth.toml:2:1: [volume] has no key `unit`; `unit` belongs to [kafka]",
    ),
    one(b"mount = \"/a\"\n", "{}/berth.toml:1:1: there is no key `mount`; `mount` belongs to [volume]"),
    one(
        b"[volume]\ncluster = \"a\"\n",
        "{}/berth.toml:2:1: [volume] has no key `cluster`; `cluster` belongs to the top of the file",
    ),
    one(b"[volum]\n", "{}/berth.toml:1:2: there is no key `volum`; did you mean `volume`?"),
    // Bytes.
    one(
        b"\xef\xbb\xbfcluster = \"a\"\n",
        "{}/berth.toml:1:1: the file begins with a byte order mark; save it as UTF-8 without one",
    ),
    one(b"\xff\xfec\0l\0", "{}/berth.toml:1:1: the byte 0xff is not UTF-8; save the file as UTF-8"),
    one(
        b"cluster = \"a\"\n# \xc3\xa4\xc3\xb6\t\xe4\n",
        "{}/berth.toml:2:6: the byte 0xe4 is not UTF-8; save the file as UTF-8",
    ),
    // Columns count characters; a tab is one.
    one(b"\t[volume]\n\t\tmount\t=\t\t7\n", "{}/berth.toml:2:12: `volume.mount` is a string, not an integer"),
    one(
        "[slots]\nattach = [\"\u{e4}\u{1f600}\", 7]\n".as_bytes(),
        "{}/berth.toml:2:17: `slots.attach` is a list of strings, not an integer",
    ),
    one(
        b"cluster = \"a\"\r\n\r\n[volume]\r\n\tmount = 7\r\n",
        "{}/berth.toml:4:10: `volume.mount` is a string, not an integer",
    ),
    one(
        b"cluster = \"a\" \x01\n",
        "{}/berth.toml:1:15: this is no TOML: unexpected key or value, expected newline, `#`",
    ),
    one(
        b"cluster = \"a\x02b\"\n",
        "{}/berth.toml:1:13: this is no TOML: invalid basic string, expected non-double-quote visible characters, `\\`: \"\\u{2}\"",
    ),
    one(
        b"cluster = \"a\"\rzookeeper = \"z\"\n",
        "{}/berth.toml:1:15: this is no TOML: carriage return must be followed by newline, expected newline",
    ),
    one(
        b"\tcluster = \"\tb\" x\n",
        "{}/berth.toml:1:17: this is no TOML: unexpected key or value, expected newline, `#`",
    ),
    one(
        "cluster = \"\u{e4}\u{f6}\" oops\n".as_bytes(),
        "{}/berth.toml:1:16: this is no TOML: unexpected key or value, expected newline, `#`",
    ),
    // What is no TOML.
    one(
        "\u{e4} = 1\n".as_bytes(),
        "{}/berth.toml:1:1: this is no TOML: invalid unquoted key, expected letters, numbers, `-`, `_`: \u{e4}",
    ),
    one(
        b"cluster = \"a\nzookeeper = \"z\"\n",
        "{}/berth.toml:1:13: this is no TOML: invalid basic string, expected `\"`",
    ),
    one(
        b"cluster = orders\n",
        "{}/berth.toml:1:11: this is no TOML: string values must be quoted, expected literal string: orders",
    ),
    one(b"cluster\n", "{}/berth.toml:1:8: this is no TOML: key with no value, expected `=`"),
    one(
        b"cluster = \"a\"\n\tcluster = \"b\"\n",
        "{}/berth.toml:2:2: this is no TOML: duplicate key: cluster",
    ),
    one(
        b"[volume]\nmount = \"/a\"\n[kafka]\n[volume]\noptions = \"\"\n",
        "{}/berth.toml:4:2: this is no TOML: duplicate key: volume",
    ),
    one(
        b"volume.mount = \"/a\"\n[volume]\noptions = \"\"\n",
        "{}/berth.toml:2:2: this is no TOML: duplicate key: volume",
    ),
    one(b"[volume\nmount = \"/a\"\n", "{}/berth.toml:1:8: this is no TOML: unclosed table, expected `]`"),
    one(
        b"cluster = 'a\\'\n= 1\n",
        "{}/berth.toml:2:1: this is no TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`",
    ),
    // Values.
    one(
        b"cluster = \"a b\"\nzookeeper = \"z\"\n",
        "{}/berth.toml:1:11: `cluster`: \"a b\" must be letters, digits, '-', '_' and '.', and not begin with '.'",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"z:x/kafka\"\n",
        "{}/berth.toml:2:13: `zookeeper`: \"z:x\" is no host:port; the form is host:2181,host:2181/chroot",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"z/a//b\"\n",
        "{}/berth.toml:2:13: `zookeeper`: the chroot \"/a//b\" has an empty part, with which Kafka does not start: write \"z/a/b\"",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"z:2181/kafka/\"\n",
        "{}/berth.toml:2:13: `zookeeper`: the chroot \"/kafka/\" has an empty part, with which Kafka does not start: write \"z:2181/kafka\"",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"x:1/kafka,y:2/kafka\"\n",
        "{}/berth.toml:2:13: `zookeeper`: \"x:1/kafka,y:2/kafka\": to Kafka the chroot begins at the first / and has all that follows: write it once, \"x:1,y:2/kafka\"",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"x:1, y:2/kafka\"\n",
        "{}/berth.toml:2:13: `zookeeper`: \"x:1, y:2/kafka\" has a blank, which not every reader takes off: write \"x:1,y:2/kafka\"",
    ),
    // What is shown is on one line, whatever it has.
    one(
        b"cluster = \"a\"\nzookeeper = \"x:1/a\\u0007\"\n",
        "{}/berth.toml:2:13: `zookeeper`: the chroot \"/a\\u{7}\" has the character '\\u{7}', with which Kafka does not start",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"z\"\n[kafka]\nunit = \"kafka\"\n",
        "{}/berth.toml:4:8: `kafka.unit`: \"kafka\" is no name of a service unit, as kafka.service; write \"kafka.service\"",
    ),
    one(
        b"cluster = \"a\"\nzookeeper = \"z\"\n[kafka]\nlisteners = [\"plaintext://{address}:9092\"]\n",
        "{}/berth.toml:4:13: `kafka.listeners`: \"plaintext://{address}:9092\": Kafka registers listener names in capitals: write \"PLAINTEXT://{address}:9092\"",
    ),
    one(
        b"cluster = \"a\"\n",
        "{}/berth.toml: `zookeeper` is missing: hosts and chroot, as Kafka's zookeeper.connect",
    ),
    one(b"", "{}/berth.toml: `zookeeper` is missing: hosts and chroot, as Kafka's zookeeper.connect"),
];

/// Mistakes of several files.
const SEVERAL: &[Mistake] = &[
    Mistake {
        files: &[],
        sentence: "{}/berth.toml: no such file; two lines are a whole one: cluster = \"…\" and zookeeper = \"host:2181,…/chroot\"",
    },
    Mistake {
        files: &[
            ("berth.toml", WHOLE),
            ("berth.d/10.toml", b"[volume]\nmount = \"/a\"\n"),
            ("berth.d/20.toml", b"# mine\n[volume]\n\tmount = \"/b\"\n"),
        ],
        sentence: "{}/berth.d/20.toml:3:10: `volume.mount` is \"/b\" here and \"/a\" at {}/berth.d/10.toml:2:9; neither file is over the other, so take it out of one",
    },
    Mistake {
        files: &[
            ("berth.toml", WHOLE),
            ("berth.d/10.toml", b"[slots]\nattach = [\"eni\"]\n"),
            ("berth.d/20.toml", b"slots.attach = [\"volume\"]\n"),
        ],
        sentence: "{}/berth.d/20.toml:1:16: `slots.attach` is [\"volume\"] here and [\"eni\"] at {}/berth.d/10.toml:2:10; neither file is over the other, so take it out of one",
    },
    Mistake {
        files: &[("berth.toml", WHOLE), ("berth.d/10.conf", b"[volume]\n")],
        sentence: "{}/berth.d/10.conf: only files named *.toml are read from this directory; name it so, or take it away",
    },
    Mistake {
        files: &[("berth.toml", WHOLE), ("berth.d/10.toml/x", b"")],
        sentence: "{}/berth.d/10.toml: this is a directory; the configuration is a file",
    },
    Mistake {
        files: &[("berth.toml/x", b"")],
        sentence: "{}/berth.toml: this is a directory; the configuration is a file",
    },
    Mistake {
        files: &[("berth.toml", WHOLE), ("berth.d", b"")],
        sentence: "{}/berth.d: the directory cannot be read: Not a directory (os error 20)",
    },
    Mistake {
        files: &[("berth.toml", WHOLE), ("berth.d/10.toml", b"[kafka]\nunti = 1\n")],
        sentence: "{}/berth.d/10.toml:2:1: [kafka] has no key `unti`; did you mean `unit`?",
    },
    // A value that only the other file makes wrong: told where it stands, with what it does not agree with.
    Mistake {
        files: &[
            ("berth.toml", b"cluster = \"a\"\nzookeeper = \"z\"\n[volume]\nlog_dir = \"/logs/data\"\n"),
            ("berth.d/10.toml", b"[volume]\nmount = \"/logs\"\n"),
        ],
        sentence: "{}/berth.toml:4:11: `volume.log_dir`: \"/logs/data\" must be one directory below the mount (/logs), or \".\"",
    },
    Mistake {
        files: &[
            ("berth.toml", b"cluster = \"a\"\nzookeeper = \"z\"\n[kafka]\nbase = \"/k\"\n"),
            ("berth.d/10.toml", b"[kafka]\nproperties = \"/k\"\n"),
        ],
        sentence: "{}/berth.d/10.toml:2:14: `kafka.properties`: \"/k\" is `kafka.base` too ({}/berth.toml:4:8): berth writes the one and only reads the other",
    },
];

/// What the program says to these files, and its exit code.
fn said(files: &[(&str, &[u8])]) -> (String, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    asked(Command::new(env!("CARGO_BIN_EXE_berth")), dir.path())
}

/// `gate` reads the configuration and two files of this host, and nothing else.
fn asked(mut program: Command, dir: &Path) -> (String, Option<i32>) {
    let answer = program.arg("gate").arg("--config").arg(dir.join("berth.toml")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "", "an error is for stderr");
    let said = String::from_utf8(answer.stderr).unwrap();
    (said.replace(&dir.display().to_string(), "{}"), answer.status.code())
}

fn refused(said: &(String, Option<i32>), sentence: &str, what: &str) {
    assert_eq!(said.0, format!("berth: {sentence}\n"), "{what}");
    assert_eq!(said.1, Some(78), "{what}");
}

#[test]
fn a_mistake_is_one_sentence_with_file_line_and_column() {
    for (text, sentence) in MISTAKES {
        refused(&said(&[("berth.toml", text)]), sentence, &String::from_utf8_lossy(text));
    }
}

#[test]
fn files_that_do_not_go_together_are_told_with_both_places() {
    for mistake in SEVERAL {
        refused(&said(mistake.files), mistake.sentence, mistake.sentence);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_missing_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("berth.toml");
    fs::write(&file, WHOLE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything, until it has no capabilities.
    let mut program = Command::new("setpriv");
    program.args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_berth")]);
    let sentence = "{}/berth.toml: the file cannot be read: Permission denied (os error 13)";
    refused(&asked(program, dir.path()), sentence, "mode 0000");
}

#[test]
fn a_whole_configuration_is_not_refused() {
    let files: &[(&str, &[u8])] = &[
        (
            "berth.toml",
            b"cluster = \"orders\"\t# tabs\r\n\tzookeeper\t=\t\"z1\"\r\n[volume]\r\nmount = \"/a\"\r\n",
        ),
        ("berth.d/10.toml", b"[volume]\nmount = \"/b\"\n"),
        ("berth.d/20.toml", b"volume.mount = '/b'\n"),
        ("berth.d/README.md", b"\xff"),
        ("berth.d/.20.toml.swp", b"\xff"),
    ];
    let (sentence, code) = said(files);
    // No boot has settled a slot on a machine that runs tests.
    assert_eq!(code, Some(1), "{sentence}");
    assert!(sentence.contains("settled"), "{sentence}");
}
