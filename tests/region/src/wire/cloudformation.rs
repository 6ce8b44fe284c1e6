//! CloudFormation on the wire: query XML, or JSON on request, and the `CFN_V1` authorization of the helper scripts, in
//! which an instance shows its identity document instead of signing with a role's key.

use serde_json::{Value, json};

use crate::model::sources::{ACCESS_DENIED, QUERY_UNKNOWN_KEY};
use crate::model::{Answer, Caller, DescribeStackRequest, Refusal, Region, Request, SignalRequest};

use super::{Params, Reply};

/// The caller that a `CFN_V1` header proves, if it may speak for the stack.
pub(super) fn admit(region: &Region, identity: &str, params: &Params) -> Result<Caller, Refusal> {
    let instance = region.identify(identity).ok_or_else(|| {
        Refusal::of(&QUERY_UNKNOWN_KEY, "The identity document or its signature is not valid")
    })?;
    let stack = params.get("StackName").unwrap_or_default();
    // An unknown stack is told by the call itself.
    let exists = region.stack(stack).is_some() || stack.starts_with("arn:");
    if exists && !region.stack_has(stack, &instance) {
        let message = format!("Instance {instance} does not belong to stack {stack}");
        return Err(Refusal::of(&ACCESS_DENIED, message));
    }
    // API reference of the helper scripts: only these calls take this authorization.
    if !["SignalResource", "DescribeStackResource"].contains(&params.action()) {
        return Err(Refusal::of(&ACCESS_DENIED, format!("CFN_V1 does not authorize {}", params.action())));
    }
    Ok(Caller { instance: Some(instance), access_key: None })
}

pub(super) fn request(params: &Params) -> Result<Option<Request>, Refusal> {
    let describe = || DescribeStackRequest {
        stack: params.text("StackName"),
        resource: params.text("LogicalResourceId"),
    };
    Ok(Some(match params.action() {
        "SignalResource" => Request::SignalResource(SignalRequest {
            stack: params.required("StackName")?,
            resource: params.required("LogicalResourceId")?,
            unique_id: params.required("UniqueId")?,
            status: params.required("Status")?,
        }),
        "DescribeStacks" => Request::DescribeStacks(describe()),
        "DescribeStackResource" => Request::DescribeStackResource(describe()),
        _ => return Ok(None),
    }))
}

pub(super) fn body(answer: Answer) -> Value {
    match answer {
        Answer::Stacks(stacks) => json!({ "Stacks": stacks }),
        Answer::StackResource(detail) => json!({ "StackResourceDetail": detail }),
        _ => json!({}),
    }
}

fn reply(status: u16, body: &Value, request_id: &str) -> Reply {
    let headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("x-amzn-requestid".to_owned(), request_id.to_owned()),
    ];
    Reply { status, headers, body: body.to_string() }
}

pub(super) fn json_reply(params: &Params, body: &Value, request_id: &str) -> Reply {
    let action = params.action();
    let mut inner = serde_json::Map::new();
    if body.as_object().is_some_and(|fields| !fields.is_empty()) {
        inner.insert(format!("{action}Result"), body.clone());
    }
    inner.insert("ResponseMetadata".into(), json!({ "RequestId": request_id }));
    let mut whole = serde_json::Map::new();
    whole.insert(format!("{action}Response"), Value::Object(inner));
    reply(200, &Value::Object(whole), request_id)
}

pub(super) fn json_error(refusal: &Refusal, request_id: &str) -> Reply {
    let whose = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let said = json!({ "Code": refusal.code, "Message": refusal.message, "Type": whose });
    reply(refusal.status, &json!({ "Error": said, "RequestId": request_id }), request_id)
}
