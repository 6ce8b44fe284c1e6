//! The model's claims store keeps to the contract that a real one keeps to.

use simulation::contract::{Modelled, holds};
use simulation::{Scene, simulate};

#[test]
fn the_claims_store_of_the_simulation_keeps_the_contract() {
    simulate(holds(async |_| Modelled(Scene::default().open())));
}
