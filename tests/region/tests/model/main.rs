//! What the region refuses, delays and does by itself, one rule a test. Each test builds its own small world.

mod attachments;
mod console;
mod describing;
mod faulty;
mod groups;
mod hooks;
mod interfaces;
mod metadata;
mod notices;
mod refreshes;
mod signalling;
mod status_checks;
mod unattachable;
mod volumes;
mod warm_pools;
mod world;
