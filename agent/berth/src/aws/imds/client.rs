//! IMDSv2 over HTTP: a session token, and one bounded text a path.
//!
//! The SDK's own client reads a body of any length, and ends the program where a name that it was given is no part of a
//! URL (it expects that "valid request"). A proxy in the way, or a host that answers for 169.254.169.254, gives such
//! names: pages of HTML with status 200. So nothing of the SDK speaks to this service; see also `role`.

use crate::aws::chain;
use berth_plan::remote_text::quoted;
use reqwest::header::HeaderValue;
use reqwest::{Method, Response, StatusCode};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// One hop away (EC2 user guide, "Use IMDS").
const ENDPOINT: &str = "http://169.254.169.254";

/// On instances that have it enabled, asked for as the AWS SDKs do.
const ENDPOINT_IPV6: &str = "http://[fd00:ec2::254]";

/// Seconds for which a token is asked for: the longest (EC2 user guide).
const TOKEN_SECONDS: &str = "21600";

/// A token is not used for its whole time, so that none ends on its way.
const TOKEN_KEPT: Duration = Duration::from_secs(5 * 3600);

/// The longest answer that is read. The longest of the service itself, an identity document's signature, has some 2 KiB.
const LONGEST: usize = 64 * 1024;

/// How often one read is tried; whoever needs more patience has it above this.
const TRIES: u32 = 3;

const PAUSE: Duration = Duration::from_millis(200);

struct Token {
    value: HeaderValue,
    since: Instant,
}

/// A client of this instance's metadata service.
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: String,
    token: Mutex<Option<Token>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why one try brought nothing.
enum Failed {
    /// A token that the service does not know (any more).
    Unauthorized,
    /// Another try may help.
    Passing(String),
    Final(String),
}

impl Client {
    /// The endpoint is this instance's, or what `AWS_EC2_METADATA_SERVICE_ENDPOINT` or `…_ENDPOINT_MODE` names, as for
    /// the AWS SDKs.
    pub(crate) fn new() -> Result<Self, String> {
        let named = std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").ok();
        let is_ipv6 = std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_ok_and(|mode| mode.eq_ignore_ascii_case("IPv6"));
        let usual = if is_ipv6 { ENDPOINT_IPV6 } else { ENDPOINT };
        Self::at(named.as_deref().unwrap_or(usual))
    }

    /// A client of this endpoint.
    pub(crate) fn at(endpoint: &str) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            // What is on this link is asked itself: no proxy, and nowhere else.
            .no_proxy()
            // Nor is there TLS here, for which the host's certificates would be read.
            .tls_certs_only(std::iter::empty())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(1))
            .timeout(Duration::from_secs(3))
            .build()
            .map_err(|error| format!("make a client of the metadata service: {}", chain(&error)))?;
        Ok(Self { http, endpoint: endpoint.trim_end_matches('/').to_owned(), token: Mutex::new(None) })
    }

    /// The text below `/latest/`, without blanks around it; none for a 404. What it is, the caller reads; here it is only
    /// known to be a text, and no page.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<String>, String> {
        let (mut tries, mut pause) = (0, PAUSE);
        loop {
            tries += 1;
            let why = match self.once(path).await {
                Ok(text) => return Ok(text),
                Err(Failed::Final(why)) => return Err(why),
                // Early in a boot, and once a token has ended.
                Err(Failed::Unauthorized) => {
                    *self.token.lock().await = None;
                    "HTTP 401".to_owned()
                }
                Err(Failed::Passing(why)) => why,
            };
            if tries >= TRIES {
                return Err(why);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn once(&self, path: &str) -> Result<Option<String>, Failed> {
        let token = self.token().await?;
        let request = self
            .http
            .request(Method::GET, format!("{}/latest/{path}", self.endpoint))
            .header("x-aws-ec2-metadata-token", token);
        let answer = request.send().await.map_err(unanswered)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        text(answer).await.map(Some)
    }

    /// The session's token, or a new one.
    async fn token(&self) -> Result<HeaderValue, Failed> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.since.elapsed() < TOKEN_KEPT) {
            return Ok(token.value.clone());
        }
        let request = self
            .http
            .request(Method::PUT, format!("{}/latest/api/token", self.endpoint))
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let text = text(request.send().await.map_err(unanswered)?).await?;
        // The token itself is a secret, and is in no sentence.
        let mut value = match HeaderValue::from_str(&text) {
            Ok(value) if !text.is_empty() && !text.contains(' ') => value,
            _ => return Err(Failed::Passing("its session token is none".to_owned())),
        };
        value.set_sensitive(true);
        *kept = Some(Token { value: value.clone(), since: Instant::now() });
        Ok(value)
    }
}

fn unanswered(error: reqwest::Error) -> Failed {
    let how = if error.is_timeout() { "timed out: " } else { "" };
    Failed::Passing(format!("{how}{}", chain(&error.without_url())))
}

/// The body of a good answer. Of a body that is too long no more than the bound is read.
async fn text(mut answer: Response) -> Result<String, Failed> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(Failed::Unauthorized),
        status if status.is_server_error() => {
            return Err(Failed::Passing(format!("HTTP {}", status.as_u16())));
        }
        status => return Err(Failed::Final(format!("HTTP {}", status.as_u16()))),
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(Failed::Passing(format!("the answer is longer than {LONGEST} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| Failed::Passing("the answer is no UTF-8".to_owned()))?;
    let text = text.trim();
    if text.starts_with('<') {
        return Err(Failed::Passing(format!("the answer is a page and no value: {}", quoted(text))));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
