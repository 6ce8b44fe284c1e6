//! Signature Version 4, verified: IAM user guide, "Create a signed AWS API request". Only the Authorization header is
//! known; nobody here sends presigned URLs.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::model::authorization::hmac_sha256;
use crate::model::sources::{
    AUTH_FAILURE, EC2_EXPIRED, EC2_UNSIGNED, QUERY_EXPIRED, QUERY_SIGNATURE, QUERY_UNKNOWN_KEY,
};
use crate::model::{Caller, Refusal, Region};

use super::{Api, Asked, Params};

struct Authorization<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

fn parse(header: &str) -> Option<Authorization<'_>> {
    let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
    let part =
        |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let scope: Vec<&str> = part("Credential")?.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = scope[..] else { return None };
    Some(Authorization {
        access_key,
        date,
        region,
        service,
        signed: part("SignedHeaders")?.split(';').collect(),
        signature: part("Signature")?,
    })
}

/// Which service a request is for: by the scope of its signature, else by its Version.
pub(super) fn api_of(asked: &Asked, params: &Params) -> Api {
    let authorization = asked.header("authorization").unwrap_or_default();
    if authorization.starts_with("CFN_V1 ") {
        return Api::CloudFormation;
    }
    let service = parse(authorization).map(|found| found.service);
    match service.or(params.get("Version")) {
        Some("autoscaling" | "2011-01-01") => Api::AutoScaling,
        Some("cloudformation" | "2010-05-15") => Api::CloudFormation,
        _ => Api::Ec2,
    }
}

/// The caller, if the request is signed by a key the region knows, at about this time.
pub(super) fn verify(region: &Region, api: Api, asked: &Asked) -> Result<Caller, Refusal> {
    let unsigned = || Refusal::of(&EC2_UNSIGNED, "Request is missing Authentication Token");
    let header = asked.header("authorization").ok_or_else(unsigned)?;
    let Some(authorization) = parse(header) else {
        return Err(wrong(api, "the authorization header is not of Signature Version 4"));
    };
    let Some(key) = region.known_key(authorization.access_key) else { return Err(unknown(api)) };
    let given = asked.header("x-amz-security-token");
    if key.token.as_deref() != given {
        return Err(unknown(api));
    }
    let date = asked.header("x-amz-date").unwrap_or_default();
    let expired = if api == Api::Ec2 { &EC2_EXPIRED } else { &QUERY_EXPIRED };
    if key.expired {
        let ec2 = "Request has expired.";
        let query = "The security token included in the request is expired";
        return Err(Refusal::of(expired, if api == Api::Ec2 { ec2 } else { query }));
    }
    let Some(at) = unix_of(date).filter(|_| date.starts_with(authorization.date)) else {
        return Err(wrong(api, "X-Amz-Date is missing or not of the credential's day"));
    };
    if at.abs_diff(region.wall()) > region.settings().clock_skew {
        let message = format!("Signature expired: {date} is too far from the service's time");
        let rule = if api == Api::Ec2 { &EC2_EXPIRED } else { &QUERY_SIGNATURE };
        return Err(Refusal::of(rule, message));
    }
    if authorization.region != region.settings().region {
        return Err(wrong(api, "Credential should be scoped to a valid region."));
    }
    if !["ec2", "autoscaling", "cloudformation"].contains(&authorization.service) {
        return Err(wrong(api, "Credential should be scoped to correct service."));
    }
    if given.is_some() && !authorization.signed.contains(&"x-amz-security-token") {
        return Err(wrong(api, "x-amz-security-token must be signed where it is sent"));
    }
    if !["host", "x-amz-date"].iter().all(|name| authorization.signed.contains(name)) {
        return Err(wrong(api, "host and x-amz-date must be signed"));
    }
    let right = signature(&key.secret, date, &authorization, asked);
    if right != authorization.signature {
        return Err(wrong(
            api,
            "The request signature we calculated does not match the signature you provided.",
        ));
    }
    Ok(key.caller)
}

/// EC2 has one code for it all, the query services tell the key from the signature.
fn unknown(api: Api) -> Refusal {
    match api {
        Api::Ec2 => wrong(api, ""),
        _ => Refusal::of(&QUERY_UNKNOWN_KEY, "The security token included in the request is invalid."),
    }
}

fn wrong(api: Api, why: &str) -> Refusal {
    match api {
        Api::Ec2 => {
            let message = "AWS was not able to validate the provided access credentials";
            Refusal::of(&AUTH_FAILURE, message)
        }
        _ => Refusal::of(&QUERY_SIGNATURE, why),
    }
}

fn signature(secret: &str, date: &str, authorization: &Authorization<'_>, asked: &Asked) -> String {
    let mut canonical =
        format!("{}\n{}\n{}\n", asked.method, encode(&asked.path, true), canonical_query(asked));
    for name in &authorization.signed {
        let values: Vec<String> = asked
            .headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let _ = writeln!(canonical, "{name}:{}", values.join(","));
    }
    let hash = hex(&Sha256::digest(&asked.body));
    let _ = write!(canonical, "\n{}\n{hash}", authorization.signed.join(";"));
    let scope =
        format!("{}/{}/{}/aws4_request", authorization.date, authorization.region, authorization.service);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = hmac_sha256(format!("AWS4{secret}").as_bytes(), authorization.date.as_bytes());
    for part in [authorization.region, authorization.service, "aws4_request", &to_sign] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    hex(&key)
}

fn canonical_query(asked: &Asked) -> String {
    let mut pairs: Vec<String> = form_urlencoded::parse(asked.query.as_bytes())
        .map(|(key, value)| format!("{}={}", encode(&key, false), encode(&value, false)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/');
        if plain {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `20260101T000000Z` in unix milliseconds.
fn unix_of(date: &str) -> Option<u64> {
    let part = |range: std::ops::Range<usize>| date.get(range);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let time = humantime::parse_rfc3339(&text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
