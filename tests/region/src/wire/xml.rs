//! Answers as XML. What describe calls show already carries the names of the API, so a JSON value is written down
//! element by element; lists are `item`s for EC2 and `member`s for the query services.

use serde_json::Value;

use crate::model::Refusal;

use super::{Api, Reply};

impl Api {
    fn namespace(self) -> &'static str {
        match self {
            Api::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Api::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Api::CloudFormation => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare carriage return would be read as a line feed.
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
}

fn element(name: &str, value: &Value, list: &str, out: &mut String) {
    if value.is_null() {
        return;
    }
    out.push_str(&format!("<{name}>"));
    content(value, list, out);
    out.push_str(&format!("</{name}>"));
}

fn content(value: &Value, list: &str, out: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => escape(text, out),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::Array(items) => items.iter().for_each(|item| element(list, item, list, out)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| element(name, field, list, out)),
    }
}

fn document(status: u16, text: String, request_id: &str) -> Reply {
    let headers = vec![
        ("Content-Type".to_owned(), "text/xml;charset=UTF-8".to_owned()),
        ("x-amzn-requestid".to_owned(), request_id.to_owned()),
    ];
    Reply { status, headers, body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}") }
}

pub(super) fn reply(api: Api, action: &str, body: &Value, request_id: &str) -> Reply {
    let mut text = format!("<{action}Response xmlns=\"{}\">", api.namespace());
    if api == Api::Ec2 {
        element("requestId", &Value::from(request_id), "item", &mut text);
        content(body, "item", &mut text);
    } else {
        element(&format!("{action}Result"), body, "member", &mut text);
        let metadata = serde_json::json!({ "RequestId": request_id });
        element("ResponseMetadata", &metadata, "member", &mut text);
    }
    text.push_str(&format!("</{action}Response>"));
    document(200, text, request_id)
}

pub(super) fn error(api: Api, refusal: &Refusal, request_id: &str) -> Reply {
    let mut text = String::new();
    let said = serde_json::json!({ "Code": refusal.code, "Message": refusal.message });
    if api == Api::Ec2 {
        text.push_str("<Response><Errors>");
        element("Error", &said, "item", &mut text);
        text.push_str("</Errors>");
        element("RequestID", &Value::from(request_id), "item", &mut text);
        text.push_str("</Response>");
    } else {
        text.push_str(&format!("<ErrorResponse xmlns=\"{}\"><Error>", api.namespace()));
        let whose = if refusal.status < 500 { "Sender" } else { "Receiver" };
        element("Type", &Value::from(whose), "member", &mut text);
        content(&said, "member", &mut text);
        text.push_str("</Error>");
        element("RequestId", &Value::from(request_id), "member", &mut text);
        text.push_str("</ErrorResponse>");
    }
    document(refusal.status, text, request_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_absent_ones_left_out() {
        let body = serde_json::json!({ "set": [{ "key": "a<b", "value": null }, { "key": 5 }], "no": false });
        let reply = reply(Api::Ec2, "DescribeTags", &body, "id");
        assert!(reply.body.ends_with(
            "<requestId>id</requestId><set><item><key>a&lt;b</key></item><item><key>5</key></item></set><no>false</no></DescribeTagsResponse>"
        ));
    }
}
