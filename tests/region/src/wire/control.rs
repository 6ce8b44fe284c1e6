//! The region's own endpoints, below `/_region/`, for whoever drives a test from outside: the journal, faults, and what
//! an operator or the hardware does.
//!
//! `GET journal?from=N` (JSON lines) · `GET|POST|DELETE faults` · `POST instances/<id>/<terminate|fail|reboot|stop|start>`
//! · `POST instances/<id>/lifecycle?state=Standby` · `POST instances/<id>/enter-warm-pool?state=Stopped`
//! · `POST instances/<id>/leave-warm-pool` · `POST groups` · `POST stacks` · `POST stacks/<name>/update`
//! · `DELETE stacks/<name>?retain=true`
//! · `POST instances/<id>/interrupt-spot?action=terminate` · `POST instances/<id>/recommend-rebalance`
//! · `POST instances/<id>/events` (an `EventSpec`) · `DELETE instances/<id>/events/<event>`
//! · `POST instances/<id>/checks` (a `ChecksChange`)
//! · `POST instances/<id>/console` (text)
//! · `POST volumes/<id>` (a `VolumeChange`) · `POST enis/<id>` (an `EniChange`)

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::model::{
    ChecksChange, EniChange, EventSpec, Fault, GroupSpec, PoolState, Region, SpotAction, StackSpec,
    UpdateSpec, VolumeChange,
};

use super::{Asked, Params, Reply, Served};

fn reply(status: u16, body: String) -> Reply {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Reply { status, headers, body }
}

fn done() -> Reply {
    reply(200, json!({ "done": true }).to_string())
}

fn refused(status: u16, why: &str) -> Reply {
    reply(status, json!({ "error": why }).to_string())
}

/// The body as a value, and what is done with it.
fn with_body<T: DeserializeOwned>(served: &Served, asked: &Asked, act: impl FnOnce(&mut Region, T)) -> Reply {
    changed_by_body(served, asked, "", |region, value| {
        act(region, value);
        true
    })
}

/// The same for something that may not be there.
fn changed_by_body<T: DeserializeOwned>(
    served: &Served,
    asked: &Asked,
    absent: &str,
    act: impl FnOnce(&mut Region, T) -> bool,
) -> Reply {
    let body = if asked.body.is_empty() { b"{}".as_slice() } else { &asked.body };
    match serde_json::from_slice(body) {
        Ok(value) => {
            if served.with(|region| act(region, value)) {
                done()
            } else {
                refused(404, absent)
            }
        }
        Err(error) => refused(400, &error.to_string()),
    }
}

pub(super) fn answer(served: &Served, asked: &Asked) -> Reply {
    let params = Params::of(asked);
    let path = asked.path.trim_start_matches("/_region/").trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["journal"]) => {
            let from = params.get("from").and_then(|from| from.parse().ok()).unwrap_or(0);
            let lines: Vec<String> =
                served.journal(from).iter().filter_map(|entry| serde_json::to_string(entry).ok()).collect();
            reply(200, lines.iter().map(|line| format!("{line}\n")).collect())
        }
        ("GET", ["faults"]) => {
            let faults: Vec<Fault> = served.with(|region| region.faults().cloned().collect());
            reply(200, json!(faults).to_string())
        }
        ("POST", ["faults"]) => with_body(served, asked, |region, fault: Fault| region.inject(fault)),
        ("DELETE", ["faults"]) => {
            served.with(Region::clear_faults);
            done()
        }
        ("POST", ["volumes", id]) => {
            changed_by_body(served, asked, "no such volume", |region, change: VolumeChange| {
                region.set_volume(id, &change)
            })
        }
        ("POST", ["enis", id]) => {
            changed_by_body(served, asked, "no such interface", |region, change: EniChange| {
                region.set_eni(id, &change)
            })
        }
        ("POST", ["groups"]) => with_body(served, asked, |region, spec: GroupSpec| region.add_group(spec)),
        ("POST", ["stacks"]) => with_body(served, asked, |region, spec: StackSpec| region.add_stack(spec)),
        ("DELETE", ["stacks", name]) => {
            let retain = params.get("retain") == Some("true");
            let known = served.with(|region| {
                let known = region.stack(name).is_some();
                region.delete_stack(name, retain);
                known
            });
            if known { done() } else { refused(404, "no such stack") }
        }
        ("POST", ["stacks", name, "update"]) => {
            with_body(served, asked, |region, spec: UpdateSpec| region.update_stack(name, spec))
        }
        ("POST", ["instances", id, "interrupt-spot"]) => {
            let action = params.get("action").unwrap_or("terminate");
            let Ok(action) = serde_json::from_value::<SpotAction>(json!(action)) else {
                return refused(400, "an interruption's action is terminate, stop or hibernate");
            };
            if served.with(|region| region.interrupt_spot(id, action)) {
                done()
            } else {
                refused(404, "no such instance that runs and is not interrupted yet")
            }
        }
        ("POST", ["instances", id, "checks"]) => {
            changed_by_body(served, asked, "no such instance", |region, change: ChecksChange| {
                region.set_checks(id, &change)
            })
        }
        ("POST", ["instances", id, "console"]) => {
            let text = String::from_utf8_lossy(&asked.body);
            let known = served.with(|region| region.write_console(id, &text));
            if known { done() } else { refused(404, "no such instance") }
        }
        ("POST", ["instances", id, "events"]) => {
            changed_by_body(served, asked, "no such instance", |region, spec: EventSpec| {
                region.schedule_event(id, spec).is_some()
            })
        }
        ("DELETE", ["instances", id, "events", event]) => {
            let known = served.with(|region| region.cancel_event(id, event));
            if known { done() } else { refused(404, "no such event that has not begun") }
        }
        ("POST", ["instances", id, what]) => {
            let act: fn(&mut Region, &str) = match *what {
                "terminate" => Region::terminate_instance,
                "fail" => Region::fail_instance,
                "reboot" => Region::reboot_instance,
                "stop" => Region::stop_instance,
                "start" => Region::start_instance,
                "recommend-rebalance" => |region, id| _ = region.recommend_rebalance(id),
                "leave-warm-pool" => Region::leave_warm_pool,
                "enter-warm-pool" => {
                    let state = params.get("state").unwrap_or("Stopped");
                    let Ok(state) = serde_json::from_value::<PoolState>(json!(state)) else {
                        return refused(400, "a warm pool's state is Stopped, Running or Hibernated");
                    };
                    served.with(|region| region.enter_warm_pool(id, state));
                    return done();
                }
                "lifecycle" => {
                    let state = params.get("state").unwrap_or_default().to_owned();
                    served.with(|region| region.set_lifecycle(id, &state));
                    return done();
                }
                _ => {
                    return refused(
                        404,
                        "an instance can terminate, fail, reboot, stop, start, enter-warm-pool, leave-warm-pool, \
                         interrupt-spot, recommend-rebalance, have events, checks, a console or \
                         have a lifecycle",
                    );
                }
            };
            let known = served.with(|region| {
                act(region, id);
                region.instance(id).is_some()
            });
            if known { done() } else { refused(404, "no such instance") }
        }
        _ => refused(404, "see the module documentation of region::wire::control for what there is"),
    }
}
