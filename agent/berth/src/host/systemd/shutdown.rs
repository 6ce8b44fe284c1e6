//! Whether this machine is going down, and whether for good.
//!
//! Asked of systemd's queue: a stop of a unit alone does not say why it is stopped. `/run/systemd/shutdown/scheduled` shows only
//! shutdowns that were put off.

use super::list_jobs;

/// What the queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GoingDown {
    /// Poweroff or halt: which.
    ForGood(String),
    /// It comes back, or goes nowhere, or nothing is known: why.
    NotForGood(String),
}

/// What is known to come back. `FailureAction=` and operators may queue more than one target: what comes back wins.
const BACK: [&str; 4] = ["reboot.target", "kexec.target", "soft-reboot.target", "rescue.target"];

/// What does not.
const GONE: [&str; 2] = ["poweroff.target", "halt.target"];

/// Reads systemd's queue of jobs. A manager that does not answer is taken for a reboot: a slot that is kept is found again.
pub(crate) async fn going_down() -> GoingDown {
    match list_jobs().await {
        Ok(jobs) => judged(&jobs),
        Err(error) => {
            GoingDown::NotForGood(format!("systemd does not say whether the machine goes down: {error}"))
        }
    }
}

/// Lines of `systemctl list-jobs --no-legend`: job, unit, type, state.
fn judged(jobs: &str) -> GoingDown {
    let starts = |target: &&&str| {
        jobs.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some(**target) && words.next() == Some("start")
        })
    };
    if let Some(target) = BACK.iter().find(starts) {
        return GoingDown::NotForGood(format!("the machine comes back ({target} is queued)"));
    }
    match GONE.iter().find(starts) {
        Some(target) => GoingDown::ForGood(format!("the machine goes down ({target})")),
        None => GoingDown::NotForGood("the machine is not going down: the unit alone is stopped".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poweroff_and_halt_are_for_good_and_all_else_is_not() {
        for target in GONE {
            let jobs = format!("  71 kafka.service stop running\n  12 {target} start waiting\n");
            assert!(matches!(judged(&jobs), GoingDown::ForGood(_)), "{target}");
            let both = format!("{jobs}  13 reboot.target start waiting\n");
            assert!(matches!(judged(&both), GoingDown::NotForGood(_)), "a reboot that is queued too wins");
        }
        for target in BACK {
            let jobs = format!("12 {target} start waiting\n");
            assert!(matches!(judged(&jobs), GoingDown::NotForGood(_)), "{target}");
        }
        for jobs in ["", "12 berth-watch.service stop running", "12 poweroff.target stop waiting", "<html>"] {
            assert!(matches!(judged(jobs), GoingDown::NotForGood(_)), "{jobs}");
        }
    }
}
