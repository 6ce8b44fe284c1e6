//! `berth status`: what this instance has and what it waits for.
//!
//! The sources are asked side by side, each within its own time limit; one that is away is named as such, and what
//! hangs on it is never guessed. Answers become facts, and facts become JSON or a page for people.

mod assembled;
mod facts;
mod sources;
mod text;

use crate::host::ThisHost;
use berth_lifecycle::ports::Host;
use berth_plan::config::Config;

/// The exit code is 0 where the question could be answered, also with sources away.
pub(super) async fn status(config: Config, as_json: bool) -> u8 {
    let answers = sources::ask(&config).await;
    let facts = assembled::facts(&config, &answers);
    if as_json {
        let json = serde_json::to_string_pretty(&facts).expect("facts are texts and numbers");
        println!("{json}");
    } else {
        print!("{}", text::text(&facts, ThisHost.unix_time()));
    }
    0
}
