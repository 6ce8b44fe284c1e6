//! The instance metadata service, version 2 only: tokens, status codes, and the tree behind them.
//! EC2 user guide, "Use IMDSv2" and "Instance metadata categories".

use std::collections::BTreeMap;

use super::fault::{FaultKind, Subject};
use super::*;

/// EC2 user guide: a token lives 1 second to 6 hours.
const LONGEST_TOKEN: u64 = 21_600;
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

/// A metadata request.
#[derive(Clone, Debug)]
pub struct ImdsRequest<'a> {
    /// `GET`, `HEAD` or `PUT`.
    pub method: &'a str,
    /// From the first slash on.
    pub path: &'a str,
    /// Headers; names in any case.
    pub headers: &'a [(String, String)],
}

/// Its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ImdsAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The value, or an XHTML page that says what is wrong.
    pub body: String,
    /// The connection closes without an answer.
    pub dropped: bool,
}

impl ImdsAnswer {
    fn error(status: u16, reason: &str) -> ImdsAnswer {
        // The service answers errors with a page; a program must look at the status.
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head>\n  <title>{status} - {reason}</title>\n </head>\n <body>\n  <h1>{status} - {reason}</h1>\n </body>\n</html>\n"
        );
        ImdsAnswer {
            status,
            headers: vec![("Content-Type".into(), "text/html".into())],
            body,
            dropped: false,
        }
    }

    fn text(body: String) -> ImdsAnswer {
        ImdsAnswer {
            status: 200,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body,
            dropped: false,
        }
    }
}

impl Region {
    /// A metadata request of an instance.
    pub fn imds(&mut self, instance: &str, request: &ImdsRequest<'_>) -> ImdsAnswer {
        let request_id = self.names.uuid();
        let action = format!("{} {}", request.method, request.path);
        let subject =
            Subject { api: "imds", action: &action, caller: Some(instance), values: vec![request.path] };
        self.slow = None;
        let answer = match self.fault_for(&subject) {
            Some(FaultKind::ServerError) => ImdsAnswer::error(500, "Internal Server Error"),
            Some(FaultKind::Throttle | FaultKind::Unavailable) => {
                ImdsAnswer::error(503, "Service Unavailable")
            }
            Some(FaultKind::Unauthorized | FaultKind::BadCredentials | FaultKind::Expired) => {
                ImdsAnswer::error(401, "Unauthorized")
            }
            Some(FaultKind::Html) => ImdsAnswer { status: 200, ..ImdsAnswer::error(502, "Bad Gateway") },
            Some(FaultKind::Empty) => ImdsAnswer::text(String::new()),
            Some(FaultKind::Large(bytes)) => ImdsAnswer::text("x".repeat(bytes)),
            Some(FaultKind::Refuse { status, message, .. }) => ImdsAnswer::error(status, &message),
            Some(FaultKind::Reset | FaultKind::LostReply | FaultKind::LateCommit(_)) => {
                ImdsAnswer { dropped: true, ..ImdsAnswer::error(503, "dropped") }
            }
            Some(FaultKind::Slow(longer)) => {
                self.slow = Some(longer);
                self.imds_answer(instance, request)
            }
            _ => self.imds_answer(instance, request),
        };
        let outcome = if answer.dropped { "reset".to_owned() } else { answer.status.to_string() };
        self.record(Event::Call {
            api: "imds".into(),
            action,
            caller: Some(instance.to_owned()),
            params: BTreeMap::new(),
            outcome: if outcome == "200" { "ok".into() } else { outcome },
            request_id,
        });
        answer
    }

    fn imds_answer(&mut self, instance: &str, request: &ImdsRequest<'_>) -> ImdsAnswer {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim())
        };
        match request.method {
            "PUT" if request.path == "/latest/api/token" => {
                if header("x-forwarded-for").is_some() {
                    return ImdsAnswer::error(403, "Forbidden");
                }
                let ttl = header(TTL_HEADER).and_then(|ttl| ttl.parse::<u64>().ok());
                let Some(ttl) = ttl.filter(|ttl| (1..=LONGEST_TOKEN).contains(ttl)) else {
                    return ImdsAnswer::error(400, "Bad Request");
                };
                let token = format!("{}==", self.names.secret(54));
                self.imds_tokens.insert(token.clone(), (instance.to_owned(), self.now + ttl * 1_000));
                let mut answer = ImdsAnswer::text(token);
                answer.headers.push(("X-Aws-Ec2-Metadata-Token-Ttl-Seconds".into(), ttl.to_string()));
                answer
            }
            // A token has no version: PUT to a dated path is forbidden.
            "PUT" if request.path.ends_with("/api/token") => ImdsAnswer::error(403, "Forbidden"),
            "GET" | "HEAD" => {
                let token = header(TOKEN_HEADER).and_then(|token| self.imds_tokens.get(token));
                let good = token.is_some_and(|(owner, until)| owner == instance && *until > self.now);
                if !good {
                    return ImdsAnswer::error(401, "Unauthorized");
                }
                match self.metadata(instance, request.path) {
                    Some(value) => ImdsAnswer::text(value),
                    None => ImdsAnswer::error(404, "Not Found"),
                }
            }
            _ => ImdsAnswer::error(405, "Method Not Allowed"),
        }
    }

    /// A value of the tree, or the list of a directory.
    fn metadata(&mut self, instance: &str, path: &str) -> Option<String> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let rest = path.strip_prefix("/latest").or_else(|| path.strip_prefix("/2021-07-15"))?;
        let key = rest.trim_matches('/');
        let tree = self.metadata_tree(instance)?;
        if let Some(value) = tree.get(key) {
            return Some(value.clone());
        }
        let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
        let mut names: Vec<String> = Vec::new();
        for leaf in tree.keys().filter_map(|leaf| leaf.strip_prefix(&prefix)) {
            let name = match leaf.split_once('/') {
                Some((directory, _)) => format!("{directory}/"),
                None => leaf.to_owned(),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join("\n"))
    }
}
