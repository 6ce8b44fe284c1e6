//! What a person sees while a lab runs: a line for each thing that happened, with its time since the start, and for a long
//! wait what is awaited and for how long already.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// After so long a wait says that it is one, and again each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The teller.
#[derive(Debug, Clone)]
pub struct Story {
    began: Instant,
    told: Arc<Mutex<Vec<Line>>>,
    quiet: bool,
}

/// One line of the story.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    /// Seconds since the start.
    pub at: f64,
    /// Who or what: `b1`, `region`, `demo`.
    pub who: String,
    /// What happened.
    pub what: String,
}

impl Story {
    /// A story that begins now. A quiet one only remembers.
    pub fn begin(quiet: bool) -> Story {
        Story { began: Instant::now(), told: Arc::default(), quiet }
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells one thing.
    pub fn tell(&self, who: &str, what: impl Into<String>) {
        let line = Line { at: self.began.elapsed().as_secs_f64(), who: who.to_owned(), what: what.into() };
        if !self.quiet {
            println!("{:7.1}s  {:<9} {}", line.at, line.who, line.what);
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// A headline between two parts.
    pub fn part(&self, title: &str) {
        if !self.quiet {
            println!("\n-- {title} {}", "-".repeat(100_usize.saturating_sub(title.chars().count())));
        }
    }

    /// All that was told.
    pub fn lines(&self) -> Vec<Line> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for something with a name and a limit, and says meanwhile that it does.
    pub async fn wait<T>(&self, what: &str, limit: Duration, awaited: impl Future<Output = T>) -> Result<T> {
        let began = Instant::now();
        tokio::pin!(awaited);
        loop {
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Error::new(format!("{what}: not within {} s", limit.as_secs())));
            }
            match tokio::time::timeout(left.min(PATIENCE), &mut awaited).await {
                Ok(value) => return Ok(value),
                Err(_) if !self.quiet => {
                    let (now, waited) = (self.began.elapsed().as_secs_f64(), began.elapsed().as_secs());
                    println!(
                        "{now:7.1}s  ...       waiting for {what} ({waited} s of {} s)",
                        limit.as_secs()
                    );
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_that_is_too_long_names_what_was_awaited() {
        let story = Story::begin(true);
        let never = std::future::pending::<()>();
        let error = story.wait("the third signal", Duration::from_millis(10), never).await.unwrap_err();
        assert_eq!(error.to_string(), "the third signal: not within 0 s");
        assert_eq!(story.wait("what is there", Duration::from_secs(1), async { 7 }).await.unwrap(), 7);
    }
}
