//! The rules of unit files that the lab's units rely on.

use super::*;

fn parse(texts: &[&str]) -> Unit {
    Unit::parse("kafka.service", &texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_drop_in_adds_to_the_unit_and_an_empty_value_resets_a_list() {
    let unit = parse(&[
        "[Service]\nEnvironment=A=1 \"B=two words\"\nExecStart=/bin/old\n",
        "[Service]\nExecStart=\nExecStart=/bin/new $A \\\n  --more\nEnvironment=C=3\n",
    ]);
    assert_eq!(
        unit.start,
        [Exec {
            words: vec!["/bin/new".into(), "$A".into(), "--more".into()],
            ignore_failure: false,
            privileged: false
        }]
    );
    assert_eq!(
        unit.environment,
        [("A".into(), "1".into()), ("B".into(), "two words".into()), ("C".into(), "3".into())]
    );
}

#[test]
fn exec_prefixes_are_read_in_any_order() {
    let unit = parse(&["[Service]\nExecStartPre=-+/usr/bin/berth gate\nExecStartPre=!/bin/true\n"]);
    assert_eq!(
        unit.start_pre[0],
        Exec { words: vec!["/usr/bin/berth".into(), "gate".into()], ignore_failure: true, privileged: true }
    );
    assert!(unit.start_pre[1].privileged && !unit.start_pre[1].ignore_failure);
}

#[test]
fn a_oneshot_has_no_start_time_out_unless_it_says_so() {
    assert_eq!(parse(&["[Service]\nType=oneshot\n"]).start_timeout, None);
    assert_eq!(
        parse(&["[Service]\nType=oneshot\nTimeoutStartSec=5\n"]).start_timeout,
        Some(Duration::from_secs(5))
    );
    assert_eq!(parse(&["[Service]\nTimeoutStartSec=infinity\n"]).start_timeout, None);
    assert_eq!(parse(&["[Service]\nTimeoutStopSec=1min 30s\n"]).stop_timeout, Some(Duration::from_secs(90)));
}

#[test]
fn unknown_keys_are_kept_by_name_and_change_nothing() {
    let unit = parse(&["[Service]\nNoNewPrivileges=yes\nUser=kafka\n"]);
    assert_eq!(unit.unknown, ["[Service] NoNewPrivileges"]);
    assert_eq!(unit.user.as_deref(), Some("kafka"));
}

#[test]
fn specifiers_name_the_unit() {
    assert_eq!(
        parse(&["[Service]\nExecStart=/bin/echo %n %p %% %t\n"]).start[0].words,
        ["/bin/echo", "kafka.service", "kafka", "%", "/run"]
    );
}

#[test]
fn a_variable_as_a_word_splits_and_one_in_braces_does_not() {
    let environment = BTreeMap::from([("OPTS".to_owned(), "-Xmx256m -Xms256m".to_owned())]);
    let words = ["java", "$OPTS", "x=${OPTS}", "$NONE", "cost$$"].map(str::to_owned);
    assert_eq!(
        expand(&words, &environment),
        ["java", "-Xmx256m", "-Xms256m", "x=-Xmx256m -Xms256m", "cost$"]
    );
}

#[test]
fn drop_ins_of_etc_hide_those_of_usr_with_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let (etc, usr) = (dir.path().join("etc"), dir.path().join("usr"));
    for (base, user) in [(&etc, "from-etc"), (&usr, "from-usr")] {
        fs::create_dir_all(base.join("a.service.d")).unwrap();
        fs::write(base.join("a.service.d/10-x.conf"), format!("[Service]\nUser={user}\n")).unwrap();
    }
    fs::write(usr.join("a.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    fs::write(usr.join("a.service.d/20-y.conf"), "[Service]\nGroup=from-usr\n").unwrap();
    let unit = Unit::load("a.service", &[etc.clone(), usr.clone()]).unwrap();
    assert_eq!(unit.user.as_deref(), Some("from-etc"));
    assert_eq!(unit.fragment, Some(usr.join("a.service")));
    assert_eq!(unit.drop_ins, [etc.join("a.service.d/10-x.conf"), usr.join("a.service.d/20-y.conf")]);
    assert_eq!(Unit::load("b.service", &[usr]), None);
}
