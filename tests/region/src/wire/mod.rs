//! The region on the wire: a model behind a lock, a ticker that lets its time pass with the wall clock, and HTTP in
//! front of it. Whoever waits for something waits on the journal, never on a clock.

mod autoscaling;
mod cloudformation;
mod control;
mod ec2;
mod http;
mod imds;
mod params;
mod sigv4;
mod xml;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::model::sources::INVALID_ACTION;
use crate::model::{CallError, Caller, Entry, Millis, Refusal, Region, Request};
use http::{Asked, Outcome, Reply};
pub use imds::Identify;
use params::Params;

/// A region that is being served. Clones are the same region.
#[derive(Clone)]
pub struct Served {
    inner: Arc<Inner>,
}

struct Inner {
    region: Mutex<Region>,
    started: Instant,
    base: Millis,
    changed: watch::Sender<usize>,
    replan: Arc<Notify>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Region> {
        // A panic in somebody's closure does not make the region's data wrong for the others.
        self.region.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        self.base + self.started.elapsed().as_millis() as Millis
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The ticker finds that nobody is left, and ends.
        self.replan.notify_one();
    }
}

impl Served {
    /// Lets a region's time pass with the wall clock, by a task on the current tokio runtime. The region's epoch is set
    /// so that its wall time is the true one: signatures carry the time.
    pub fn start(mut region: Region) -> Served {
        let unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        let base = region.now();
        region.settings_mut().epoch = unix.saturating_sub(base);
        let (changed, _) = watch::channel(region.journal().len());
        let replan = Arc::new(Notify::new());
        let inner =
            Arc::new(Inner { region: Mutex::new(region), started: Instant::now(), base, changed, replan });
        let served = Served { inner };
        tokio::spawn(tick(Arc::downgrade(&served.inner), served.inner.replan.clone()));
        served
    }

    /// Does something with the region as it is now; those who wait on the journal are woken after.
    pub fn with<T>(&self, act: impl FnOnce(&mut Region) -> T) -> T {
        let (result, length) = {
            let mut region = self.inner.lock();
            region.advance(self.inner.now());
            let result = act(&mut region);
            (result, region.journal().len())
        };
        self.inner.changed.send_if_modified(|seen| std::mem::replace(seen, length) != length);
        self.inner.replan.notify_one();
        result
    }

    /// The first journal entry from `from_seq` on for which `find` gives something.
    pub async fn wait_for<T>(&self, from_seq: usize, mut find: impl FnMut(&Entry) -> Option<T>) -> T {
        let mut changes = self.inner.changed.subscribe();
        let mut next = from_seq;
        loop {
            {
                let region = self.inner.lock();
                let journal = region.journal();
                for entry in journal.iter().skip(next) {
                    if let Some(found) = find(entry) {
                        return found;
                    }
                }
                next = next.max(journal.len());
            }
            // The sender lives in `self`.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The journal from an entry on.
    pub fn journal(&self, from_seq: usize) -> Vec<Entry> {
        self.with(|region| region.journal().iter().skip(from_seq).cloned().collect())
    }

    /// Serves EC2, Auto Scaling and CloudFormation, and the control endpoints below `/_region/`.
    pub fn serve_api(&self, listener: TcpListener) -> JoinHandle<()> {
        let served = self.clone();
        http::serve(listener, move |asked| {
            let served = served.clone();
            async move { served.answer_api(&asked).await }
        })
    }

    /// Serves the instance metadata service.
    pub fn serve_imds(&self, listener: TcpListener, identify: Identify) -> JoinHandle<()> {
        let served = self.clone();
        let identify = Arc::new(identify);
        http::serve(listener, move |asked| {
            let (served, identify) = (served.clone(), identify.clone());
            async move { imds::answer(&served, &identify, &asked).await }
        })
    }

    async fn answer_api(&self, asked: &Asked) -> Outcome {
        if asked.path.starts_with("/_region/") {
            return Outcome::Reply(control::answer(self, asked));
        }
        let params = Params::of(asked);
        let api = sigv4::api_of(asked, &params);
        let json = api == Api::CloudFormation && params.get("ContentType") == Some("JSON");
        let (result, request_id, slow) = self.with(|region| {
            let (result, request_id) = dispatch(region, api, asked, &params);
            (result, request_id, region.take_slow())
        });
        if let Some(longer) = slow {
            tokio::time::sleep(Duration::from_millis(longer)).await;
        }
        match result {
            Ok(body) if json => Outcome::Reply(cloudformation::json_reply(&params, &body, &request_id)),
            Ok(body) => Outcome::Reply(xml::reply(api, params.action(), &body, &request_id)),
            Err(CallError::Refused(refusal)) if json => {
                Outcome::Reply(cloudformation::json_error(&refusal, &request_id))
            }
            Err(CallError::Refused(refusal)) => Outcome::Reply(xml::error(api, &refusal, &request_id)),
            Err(CallError::Reset) => Outcome::Reset,
            Err(CallError::Lost) => Outcome::Close,
        }
    }
}

/// The services that share the port.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Api {
    Ec2,
    AutoScaling,
    CloudFormation,
}

impl Api {
    fn word(self) -> &'static str {
        match self {
            Api::Ec2 => "ec2",
            Api::AutoScaling => "autoscaling",
            Api::CloudFormation => "cloudformation",
        }
    }
}

fn dispatch(
    region: &mut Region,
    api: Api,
    asked: &Asked,
    params: &Params,
) -> (Result<serde_json::Value, CallError>, String) {
    let (caller, request) = match admitted(region, api, asked, params) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let request_id = region.turned_away(api.word(), params.action(), &refusal);
            return (Err(refusal.into()), request_id);
        }
    };
    let (answer, request_id) = region.call_identified(&caller, request);
    let body = answer.map(|answer| match api {
        Api::Ec2 => ec2::body(answer, &region.settings().account),
        Api::AutoScaling => autoscaling::body(answer),
        Api::CloudFormation => cloudformation::body(answer),
    });
    (body, request_id)
}

/// Who calls, and what.
fn admitted(region: &Region, api: Api, asked: &Asked, params: &Params) -> Result<(Caller, Request), Refusal> {
    let identity = asked.header("authorization").and_then(|header| header.strip_prefix("CFN_V1 "));
    let caller = match identity {
        Some(identity) if api == Api::CloudFormation => cloudformation::admit(region, identity, params)?,
        _ => sigv4::verify(region, api, asked)?,
    };
    let request = match api {
        Api::Ec2 => ec2::request(params)?,
        Api::AutoScaling => autoscaling::request(params)?,
        Api::CloudFormation => cloudformation::request(params)?,
    };
    let message = || format!("The action {} is not valid for this web service.", params.action());
    Ok((caller, request.ok_or_else(|| Refusal::of(&INVALID_ACTION, message()))?))
}

async fn tick(inner: std::sync::Weak<Inner>, replan: Arc<Notify>) {
    loop {
        let wait = {
            let Some(inner) = inner.upgrade() else { return };
            let (next, length) = {
                let mut region = inner.lock();
                region.advance(inner.now());
                (region.next_event(), region.journal().len())
            };
            inner.changed.send_if_modified(|seen| std::mem::replace(seen, length) != length);
            next.map(|at| Duration::from_millis(at.saturating_sub(inner.now())))
        };
        match wait {
            // The model counts whole milliseconds; the sleep must not end within the one before.
            Some(wait) => {
                let slept = tokio::time::sleep(wait + Duration::from_micros(500));
                tokio::select! { () = slept => {}, () = replan.notified() => {} }
            }
            None => replan.notified().await,
        }
    }
}
