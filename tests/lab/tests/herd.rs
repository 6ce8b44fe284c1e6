//! Thirty instances at once, judged by a program that reads the records of the region and of ZooKeeper alone; and that
//! program, judged by records that it must refuse. Forty runs of the same are in `make test-all`.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::process::Command;

use lab::image::repository;

#[test]
fn the_judge_refuses_each_kind_of_bad_record() {
    let mut judge = Command::new("python3");
    judge.arg("-B").arg(repository().join("tests/lab/herd/judge.py")).arg("--self-test");
    let said = lab::commands::run(&mut judge).unwrap();
    assert!(said.contains(" 0 judged wrongly"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_instances_take_thirty_slots_also_when_zookeepers_leader_dies() {
    if let Err(error) = lab::herd::play(3, false).await {
        panic!("{}", error.chain());
    }
}
