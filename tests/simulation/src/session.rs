//! A run's session with the ensemble, and what becomes of one call on it.

use crate::fate::{Death, Fate, Mishap};
use crate::runs::{Caller, SESSION};
use crate::world::Millis;
use crate::world::State;
use berth_lifecycle::ports::{ClaimsError, RegisterError};
use tokio::time::{Duration, sleep};

/// How long a call to an ensemble that does not answer takes to fail.
pub(crate) const SILENCE: Millis = 6_000;

/// A call that had no answer, or whose session is over.
pub(crate) struct Away(pub(crate) &'static str);

impl From<Away> for ClaimsError {
    fn from(Away(why): Away) -> Self {
        Self::Away(why.to_owned())
    }
}

impl From<Away> for RegisterError {
    fn from(Away(why): Away) -> Self {
        Self::Away(why.to_owned())
    }
}

impl Caller {
    /// A call of ZooKeeper on the run's session, which is made anew where it expired; on `bound`, where that is given.
    pub(crate) async fn zookeeper<T, E: From<Away>>(
        &self,
        name: &'static str,
        bound: Option<u64>,
        deed: impl FnOnce(&mut State, u64) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let fate = self.life.point(name);
        let takes = self.way(|rules| rules.zookeeper_takes);
        if let Fate::Killed(death) = fate {
            if let Death::InFlight(after) = death {
                self.world.with(|s| {
                    let session = bound.unwrap_or_else(|| self.session(s));
                    s.later(after.min(SESSION - 1), move |s| {
                        if s.zk.sessions.contains_key(&session) {
                            drop(deed(s, session));
                        }
                    });
                });
            }
            return self.gone().await;
        }
        sleep(Duration::from_millis(takes)).await;
        self.still().await;
        let reached = self.world.with(|s| s.zk.reaches(&self.instance));
        if !reached {
            sleep(Duration::from_millis(SILENCE)).await;
            self.still().await;
            return Err(Away("no answer").into());
        }
        self.world.with(|s| {
            let session = match bound {
                Some(session) if s.zk.sessions.contains_key(&session) => session,
                Some(_) => return Err(Away("the session expired").into()),
                None => self.session(s),
            };
            match fate {
                Fate::Mishap(Mishap::Lost | Mishap::Late(_)) => {
                    drop(deed(s, session));
                    Err(Away("the reply was lost").into())
                }
                Fate::Mishap(Mishap::SessionExpired) => {
                    s.end_session(Some(session));
                    Err(Away("the session expired").into())
                }
                Fate::Mishap(Mishap::Throttled | Mishap::ServerError | Mishap::Reset) => {
                    Err(Away("not reachable").into())
                }
                _ => deed(s, session),
            }
        })
    }

    fn session(&self, s: &mut State) -> u64 {
        let mut mine = self.session.lock().expect("no holder of this lock panics");
        match *mine {
            Some(session) if s.zk.sessions.contains_key(&session) => session,
            _ => *mine.insert(s.zk.connect(&self.instance, SESSION)),
        }
    }

    /// A session with an unknown outcome in it is given up: what it may have made goes with it.
    pub(crate) fn give_up_session(&self) {
        let session = self.session.lock().expect("no holder of this lock panics").take();
        self.world
            .with(|s| if s.zk.reaches(&self.instance) { s.end_session(session) } else { s.silence(session) });
    }
}
