//! Clocks, chance, files, and the timeline as lines of the trace.

use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::Step;
use berth_lifecycle::ports::{Host, HostError, Timeline};
use berth_plan::{SinceBoot, UnixTime};
use std::sync::Arc;
use tokio::time::Duration;

pub(crate) struct HostFiles(pub(crate) Arc<Caller>);

impl HostFiles {
    /// A write that a dead process does not make.
    fn write(&self, name: &'static str, deed: impl FnOnce(&mut crate::host::Host)) -> Result<(), HostError> {
        self.0.at_once(name, |s, instance| deed(s.host(instance)));
        Ok(())
    }

    fn read<T>(&self, deed: impl FnOnce(&crate::host::Host) -> T) -> T {
        self.0.world.with(|s| deed(s.host(&self.0.instance)))
    }
}

#[async_trait]
impl Host for HostFiles {
    fn since_boot(&self) -> SinceBoot {
        let now = self.0.world.now();
        SinceBoot::from_millis(self.read(|host| now - host.booted_at))
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_millis(self.0.world.with(|s| s.wall()))
    }

    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
        self.0.still().await;
    }

    fn random(&self, bound: u64) -> u64 {
        self.0.world.with(|s| if bound == 0 { 0 } else { s.chance.u64(..bound) })
    }

    fn uuid(&self) -> String {
        self.0.world.with(|s| s.uuid())
    }

    fn recall(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(self.read(|host| host.run.get(name).cloned()))
    }

    fn note(&self, name: &str, text: &str) -> Result<(), HostError> {
        self.write("note", |host| drop(host.run.insert(name.to_owned(), text.to_owned())))
    }

    fn forget(&self, name: &str) -> Result<(), HostError> {
        self.write("forget", |host| drop(host.run.remove(name)))
    }

    fn recall_lasting(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(self.read(|host| host.var.get(name).cloned()))
    }

    fn note_lasting(&self, name: &str, text: &str) -> Result<(), HostError> {
        self.write("note_lasting", |host| drop(host.var.insert(name.to_owned(), text.to_owned())))
    }

    fn forget_lasting(&self, name: &str) -> Result<(), HostError> {
        self.write("forget_lasting", |host| drop(host.var.remove(name)))
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, HostError> {
        let found = self.read(|host| host.file(path));
        found.ok_or_else(|| HostError(format!("{path}: No such file or directory")))
    }

    fn existing_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.read(|host| host.file(path)))
    }

    fn real_path(&self, path: &str) -> Result<String, HostError> {
        Ok(self.read(|host| host.real_path(path)))
    }

    fn write_file(&self, path: &str, bytes: &[u8], _user: &str) -> Result<(), HostError> {
        // A rename replaces a link, and what it led to stays as it was.
        self.write("write_file", |host| {
            host.symlinks.remove(path);
            host.files.insert(path.to_owned(), bytes.to_vec());
        })
    }
}

pub(crate) struct Trace(pub(crate) Arc<Caller>);

impl Trace {
    fn line(&self, step: Step, text: &str) {
        let instance = &self.0.instance;
        self.0.world.with(|s| s.tell(format!("{instance} {step}: {text}")));
    }
}

impl Timeline for Trace {
    fn began(&self, step: Step) {
        self.line(step, "began");
    }

    fn waiting(&self, step: Step, what: &str) {
        self.line(step, &format!("waits for {what}"));
    }

    fn fact(&self, step: Step, fact: &str) {
        self.line(step, &format!("- {fact}"));
    }

    fn ended(&self, step: Step, outcome: &str) {
        self.line(step, &format!("ended: {outcome}"));
    }
}
