//! Signatures: the published example, and what a request may not leave out.

use super::*;
use crate::model::{LaunchSpec, Settings, SubnetSpec};

/// The worked example of the IAM user guide (GET, ListUsers).
#[test]
fn agrees_with_the_published_example() {
    let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let asked = Asked {
        method: "GET".into(),
        path: "/".into(),
        query: "Action=ListUsers&Version=2010-05-08".into(),
        headers: vec![
            ("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into()),
            ("host".into(), "iam.amazonaws.com".into()),
            ("x-amz-date".into(), "20150830T123600Z".into()),
        ],
        body: Vec::new(),
        peer: ([127, 0, 0, 1], 1).into(),
    };
    let authorization = parse(header).unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    assert_eq!(signature(secret, "20150830T123600Z", &authorization, &asked), authorization.signature);
    assert_eq!(unix_of("19700102T000001Z"), Some(86_401_000));
}

const DATE: &str = "20150830T123600Z";

/// A region at the time of `DATE`, with one instance that has a role.
fn region() -> (Region, String) {
    let epoch = unix_of(DATE).unwrap();
    let mut region = Region::new(Settings { epoch, ..Settings::default() });
    let zone = "eu-central-1a".to_owned();
    let subnet = region.add_subnet(SubnetSpec { zone, cidr: "10.0.1.0/24".into(), ..SubnetSpec::default() });
    let profile = Some("berth".to_owned());
    let instance = region.run_instance(LaunchSpec { profile, subnet, ..LaunchSpec::default() });
    (region, instance)
}

/// A call that is signed rightly in a scope; where the key has a session token it comes along, signed or not.
fn signed(key: (&str, &str, Option<&str>), scope: &str, names: &str) -> Asked {
    let (access_key, secret, token) = key;
    let mut headers =
        vec![("host".to_owned(), "region".to_owned()), ("x-amz-date".to_owned(), DATE.to_owned())];
    headers.extend(token.map(|token| ("x-amz-security-token".to_owned(), token.to_owned())));
    let mut asked = Asked {
        method: "GET".into(),
        path: "/".into(),
        query: "Action=DescribeVolumes&Version=2016-11-15".into(),
        headers,
        body: Vec::new(),
        peer: ([127, 0, 0, 1], 1).into(),
    };
    let header = |signature: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/20150830/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    };
    let (region, service) = scope.split_once('/').unwrap();
    let (date, service) = ("20150830", service.split('/').next().unwrap());
    let signed = names.split(';').collect();
    let authorization = Authorization { access_key, date, region, service, signed, signature: "" };
    let right = signature(secret, DATE, &authorization, &asked);
    asked.headers.push(("authorization".into(), header(&right)));
    asked
}

fn outcome(region: &Region, asked: &Asked) -> Result<Caller, String> {
    let api = api_of(asked, &Params::of(asked));
    verify(region, api, asked).map_err(|refusal| refusal.code)
}

#[test]
fn the_scope_names_a_service_of_the_region_and_ends_in_aws4_request() {
    let (region, _) = region();
    let admin = region.settings().admin.clone();
    let call = |scope: &str| signed((&admin.access_key, &admin.secret, None), scope, "host;x-amz-date");
    for service in ["ec2", "autoscaling", "cloudformation"] {
        outcome(&region, &call(&format!("eu-central-1/{service}/aws4_request"))).unwrap();
    }
    let wrong = [
        "eu-central-1/iam/aws4_request",
        "eu-central-1//aws4_request",
        "eu-central-1/ec2/aws4",
        "eu-central-1/ec2",
        "eu-central-1/ec2/aws4_request/more",
        "us-east-1/ec2/aws4_request",
    ];
    for scope in wrong {
        assert_eq!(outcome(&region, &call(scope)), Err("AuthFailure".into()), "{scope}");
    }
}

#[test]
fn a_session_token_is_signed_where_it_is_sent() {
    let (mut region, instance) = region();
    let key = region.instance_credentials(&instance).unwrap();
    let key = (key.access_key.as_str(), key.secret.as_str(), Some(key.token.as_str()));
    let scope = "eu-central-1/ec2/aws4_request";
    let caller = outcome(&region, &signed(key, scope, "host;x-amz-date;x-amz-security-token")).unwrap();
    assert_eq!(caller.instance, Some(instance));
    let left_out = signed(key, scope, "host;x-amz-date");
    assert_eq!(outcome(&region, &left_out), Err("AuthFailure".into()));
}
