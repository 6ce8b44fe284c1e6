//! Boots that meet a control plane that is away, or none at all: the metadata service, the role, ZooKeeper, EC2,
//! CloudFormation. What comes back in time is waited out; what does not is told at the deadline, and the boot goes on. It
//! never is a reason to call the instance unhealthy.

use crate::common::cases::{Case, Stage, Staged, ZOOKEEPER, plain, staged};
use crate::common::judged::End;
use crate::common::lab_runs::shell;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use lab::lab_run::LabRun;
use region::model::{Fault, FaultKind};
use std::time::Duration;

/// The metadata service, and where the lab has no ZooKeeper server.
const IMDS: &str = "169.254.169.254";
const NO_SERVER: &str = "10.0.2.200:2181";

/// For so long what comes late stays away: the wait is the case.
const LATE: Duration = Duration::from_secs(10);

/// A case: its name, its stage, and what happens in it.
type Told = for<'a> fn(&'a LabRun, &'a Case) -> LocalBoxFuture<'a, ()>;
type Story = (&'static str, fn(&mut Stage), Told);

fn fault(lab: &LabRun, case: &Case, api: &str, action: &str, kind: FaultKind, count: Option<u32>) {
    let (api, caller) = (Some(api.to_owned()), Some(case.on.id.clone()));
    lab.served.with(|region| {
        region.inject(Fault { api, caller, count, ..Fault::always(action, kind) });
    });
}

fn calm(lab: &LabRun, case: &Case) {
    lab.served.with(|region| region.clear_faults_of(&case.on.id));
}

/// The boot gave up at the deadline for a control plane that is away; the instance is as it was.
async fn gave_up(lab: &LabRun, case: &Case, end: &End, says: &[&str], told: &[&str]) {
    let sentence = end.sentence();
    println!("{} after {:?}: {sentence}", case.name, end.took);
    assert_eq!(end.code, 1, "{}: {}", case.name, end.said);
    for part in says {
        assert!(sentence.contains(part), "{}: {part:?} is not in: {sentence}", case.name);
    }
    assert_eq!(case.told(lab, 0), told, "{}: {}", case.name, end.said);
    assert_eq!(case.unhealthy(lab, 0), Vec::<String>::new(), "{}: {}", case.name, end.said);
    assert!(end.took < Duration::from_secs(90), "{} took {:?}", case.name, end.took);
    case.has_let_go(lab).await;
}

/// The boot told what is due at the deadline, nobody was called unhealthy, and it went on.
async fn goes_on(lab: &LabRun, case: &Case, says: &[&str], told: &[&str]) {
    let end = case.boot_past_the_deadline(lab, told).await;
    println!("{} goes on after {:?}: {}", case.name, end.took, end.sentence());
    assert_eq!(end.code, 143, "{}: {}", case.name, end.said);
    for part in says {
        assert!(end.said.contains(part), "{}: {part:?} is not in: {}", case.name, end.said);
    }
    assert_eq!(case.told(lab, 0), told, "{}: {}", case.name, end.said);
    assert_eq!(case.unhealthy(lab, 0), Vec::<String>::new(), "{}: {}", case.name, end.said);
    case.has_let_go(lab).await;
}

/// Something is away until a waiting step has said so for [`LATE`]; then the boot goes on to its good end.
async fn late(lab: &LabRun, case: &Case, step: &str, back: impl AsyncFn()) {
    let away = async {
        case.sees(lab, step, |step| !step["waits_for"].is_null()).await;
        tokio::time::sleep(LATE).await;
        back().await;
    };
    let (end, ()) = futures_util::join!(case.boots(lab), away);
    println!("{} after {:?}", case.name, end.took);
    assert!(end.took >= LATE, "{}", case.name);
}

/// The list of the instance's roles: its one line goes into the next path.
const ROLES: &str = "GET /latest/meta-data/iam/security-credentials/";

/// Metadata lies, until a waiting step has said so for [`LATE`].
fn lies<'a>(
    lab: &'a LabRun,
    case: &'a Case,
    action: &'static str,
    kind: FaultKind,
    step: &'static str,
) -> LocalBoxFuture<'a, ()> {
    async move {
        fault(lab, case, "imds", action, kind, None);
        late(lab, case, step, async || calm(lab, case)).await;
    }
    .boxed_local()
}

/// Nothing listens at the metadata's address: connections are refused.
const REFUSE: &str = "ip address add 169.254.169.254/32 dev lo";
const LISTEN: &str = "ip address del 169.254.169.254/32 dev lo";

fn stories() -> Vec<Story> {
    vec![
        ("no-imds", plain, |lab, case| {
            async {
                case.route(lab, "add", IMDS, "blackhole");
                let end = case.boot_late(lab).await;
                let says = ["instance metadata (IMDSv2)", "timed out", "tried for 1", "HttpEndpoint"];
                gave_up(lab, case, &end, &says, &[]).await;
            }
            .boxed_local()
        }),
        ("imds-refused", plain, |lab, case| {
            async {
                shell(lab, &case.on, REFUSE).await;
                let end = case.boot_late(lab).await;
                gave_up(lab, case, &end, &["instance metadata (IMDSv2)", "refused", "tried for 1"], &[])
                    .await;
            }
            .boxed_local()
        }),
        ("imds-refuses-first", plain, |lab, case| {
            async {
                shell(lab, &case.on, REFUSE).await;
                late(lab, case, "identify", async || drop(shell(lab, &case.on, LISTEN).await)).await;
            }
            .boxed_local()
        }),
        ("imds-401-first", plain, |lab, case| {
            async {
                fault(lab, case, "imds", "GET *", FaultKind::Unauthorized, None);
                late(lab, case, "identify", async || calm(lab, case)).await;
            }
            .boxed_local()
        }),
        ("imds-404-first", plain, |lab, case| {
            async {
                let not_found =
                    FaultKind::Refuse { status: 404, code: String::new(), message: "Not Found".into() };
                fault(lab, case, "imds", "*", not_found, None);
                late(lab, case, "identify", async || calm(lab, case)).await;
            }
            .boxed_local()
        }),
        // Answers with status 200 that are none: nothing of them is believed, and no library ends the run over them.
        ("imds-page-first", plain, |lab, case| lies(lab, case, "GET *", FaultKind::Html, "identify")),
        ("imds-empty-first", plain, |lab, case| lies(lab, case, "GET *", FaultKind::Empty, "identify")),
        ("imds-endless-first", plain, |lab, case| {
            lies(lab, case, "GET *", FaultKind::Large(50_000_000), "identify")
        }),
        ("role-page-first", plain, |lab, case| lies(lab, case, ROLES, FaultKind::Html, "observe")),
        (
            "no-role",
            |stage| (stage.profile, stage.metadata_tags) = (None, true),
            |lab, case| {
                async {
                    // CloudFormation hears of it all the same: the identity document signs.
                    goes_on(lab, case, &["404", "it has no role", "instance profile"], &["FAILURE"]).await;
                }
                .boxed_local()
            },
        ),
        (
            "no-role-no-tags",
            |stage| stage.profile = None,
            |lab, case| {
                async {
                    // Without the tags nobody knows whom to tell: the stack's own time-out decides.
                    goes_on(lab, case, &["it has no role", "instance profile"], &[]).await;
                }
                .boxed_local()
            },
        ),
        ("zookeeper-late", plain, |lab, case| {
            async {
                case.route(lab, "add", ZOOKEEPER, "unreachable");
                late(lab, case, "intend", async || case.route(lab, "del", ZOOKEEPER, "unreachable")).await;
            }
            .boxed_local()
        }),
        (
            "zookeeper-never",
            |stage| stage.zookeeper = NO_SERVER.into(),
            |lab, case| {
                async {
                    let says = ["ZooKeeper", NO_SERVER, "is it up", "tried for"];
                    goes_on(lab, case, &says, &["FAILURE"]).await;
                }
                .boxed_local()
            },
        ),
        ("throttled-first", plain, |lab, case| {
            async {
                fault(lab, case, "ec2", "*", FaultKind::Throttle, None);
                late(lab, case, "observe", async || calm(lab, case)).await;
            }
            .boxed_local()
        }),
        (
            "throttled",
            |stage| stage.metadata_tags = true,
            |lab, case| {
                async {
                    fault(lab, case, "ec2", "*", FaultKind::Throttle, None);
                    let says = ["in eu-central-1a", "RequestLimitExceeded", "CloudTrail", "tried for"];
                    goes_on(lab, case, &says, &["FAILURE"]).await;
                }
                .boxed_local()
            },
        ),
        ("may-not-signal", plain, |lab, case| {
            async {
                fault(lab, case, "cloudformation", "SignalResource", FaultKind::Unauthorized, Some(1));
                let end = case.boots(lab).await;
                assert!(end.said.contains("the identity document does"), "{}", end.said);
                let all = case.calls(lab, 0, "SignalResource", |_, outcome| Some(outcome.to_owned()));
                assert_eq!(all, ["AccessDenied", "ok"]);
            }
            .boxed_local()
        }),
        (
            "nobody-listens",
            |stage| stage.stack_is_complete = true,
            |lab, case| {
                async {
                    let end = case.boot(lab).await;
                    assert_eq!((end.code, case.told(lab, 0).len()), (0, 0), "{}", end.said);
                    let step = case.step(lab, "signal").await.unwrap();
                    assert!(
                        step["facts"].to_string().contains("UPDATE_COMPLETE state and cannot be signaled"),
                        "{step}"
                    );
                    case.holds(lab).await;
                }
                .boxed_local()
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_is_away_is_waited_for_and_at_the_deadline_told_as_a_failure_only() {
    let stories = stories();
    let stages: Vec<Staged> = stories.iter().map(|s| (s.0, s.1)).collect();
    let (lab, cases) = staged(&stages).await;
    join_all(stories.iter().zip(&cases).map(|(story, case)| story.2(&lab, case))).await;
    lab.end(false).await.unwrap();
}
