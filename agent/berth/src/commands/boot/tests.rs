//! A whole boot in which a library panics: in the simulation, for no call of a real library does so at will.

use super::*;
use async_trait::async_trait;
use berth_lifecycle::ports::{Managers, NetworkError};
use berth_plan::{BrokerId, MacAddress};
use simulation::{Exit, Scene, World, simulate};

struct Breaks;

#[async_trait]
impl Managers for Breaks {
    async fn mark_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        panic!("valid request: {mac}");
    }

    async fn forget_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        panic!("valid request: {mac}");
    }

    async fn forget_all_unmanaged(&self) -> Result<(), NetworkError> {
        panic!("valid request: all");
    }
}

/// A run in which a call panics: how it ended, and what it told.
async fn broken_run(world: &Arc<World>, instance: &str) -> ((Outcome, u8, String), Vec<String>) {
    let mut agent = world.agent(instance);
    agent.ports.managers = Arc::new(Breaks);
    let (host, config) = (agent.ports.host.clone(), agent.config.clone());
    let token = "broken".parse().expect("a token");
    let state = Boot::new(agent, token, deadline(host.as_ref(), &config));
    let mut told = Vec::new();
    let tell = async |bug: &str| told.push(bug.to_owned());
    // A boot is a large future, and a test's stack small.
    let ended = async { Ok(ended_as(&state, Box::pin(story(&state)).await)) };
    (in_good_order(ended, host.as_ref(), &config, tell).await, told)
}

const SENTENCE: &str = "a bug of berth or of a library in it, please report it: valid request: ";

#[test]
fn a_boot_in_which_a_library_panics_ends_with_its_sentence_and_the_next_run_goes_on() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = world.hosts_up(1).await.remove(0);
        let ((outcome, code, how), told) = broken_run(&world, &instance).await;
        assert_eq!((outcome, code), (Outcome::CutOff, 70), "{how}");
        assert!(how.starts_with(SENTENCE) && how.ends_with("; it is run again"), "{how}");
        assert_eq!(told, [""; 0], "there is time for another run");
        let ready = Ended::Ready(BrokerId::new(0).expect("a broker id"));
        assert_eq!(world.boot(&instance).exit().await, Exit::Ended(ready));
        world.assert_lawful();
    });
}

#[test]
fn a_panic_after_the_deadline_is_told() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = world.hosts_up(1).await.remove(0);
        let (first, _) = broken_run(&world, &instance).await;
        assert_eq!(first.1, 70);
        world.pass(3_600_000).await;
        let ((outcome, code, how), told) = broken_run(&world, &instance).await;
        assert_eq!((outcome, code), (Outcome::GaveUp, 1), "{how}");
        assert!(how.starts_with(SENTENCE), "{how}");
        assert_eq!(told, [how]);
    });
}
