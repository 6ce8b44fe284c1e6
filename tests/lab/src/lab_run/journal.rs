//! The region's journal as those read it who judge a run: waiting for an entry, and looking back. What is written down of it
//! for people is [`super::follow`]'s.

use std::time::Duration;

use region::model::Entry;

use super::LabRun;
use crate::error::{Error, Result};

impl LabRun {
    /// Does what is asked, unless the lab itself gets into trouble meanwhile.
    pub async fn unless_trouble<T>(&self, deed: impl Future<Output = Result<T>>) -> Result<T> {
        let mut trouble = self.trouble.clone();
        tokio::select! {
            done = deed => done,
            said = trouble.wait_for(Option::is_some) => match said {
                Ok(said) => Err(Error::new(said.clone().unwrap_or_default())),
                Err(_) => Err(Error::new("the lab's follower of the journal ended")),
            },
        }
    }

    /// Waits for the `count`-th entry from `from` on for which `f` answers; returns its answer.
    pub async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        from: usize,
        mut f: impl FnMut(&Entry) -> Option<T>,
    ) -> Result<T> {
        let waiting = async {
            let found = self.served.wait_for(from, |entry| f(entry)).await;
            self.caught_up().await;
            found
        };
        self.unless_trouble(self.story.wait(what, limit, waiting)).await
    }

    /// Waits until all that the journal says now has been noted here, so that `find` and `holder` answer by it.
    pub async fn caught_up(&self) {
        let length = self.journal_length();
        let mut followed = self.followed.clone();
        // The follower ends only with the lab.
        let _ = followed.wait_for(|seq| *seq >= length).await;
    }

    /// How far the journal is.
    pub fn journal_length(&self) -> usize {
        self.served.with(|region| region.journal().len())
    }

    /// The journal from here on.
    pub fn journal(&self, from: usize) -> Vec<Entry> {
        self.served.with(|region| region.journal().get(from..).map(<[Entry]>::to_vec).unwrap_or_default())
    }

    /// Unix milliseconds of an entry.
    pub fn unix_ms(&self, entry: &Entry) -> u64 {
        self.served.with(|region| region.settings().epoch) + entry.at
    }
}
