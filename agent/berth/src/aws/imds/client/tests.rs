//! A server on 127.0.0.1 that answers what a metadata service does not.

use super::*;
use crate::aws::imds::role::InstanceRole;
use aws_credential_types::provider::ProvideCredentials;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n";
const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

async fn answer(mut stream: TcpStream, answers: &BTreeMap<&str, String>) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(read).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let (status, body) = match answers.get(path) {
        Some(body) => ("200 OK", body.as_str()),
        None => ("404 Not Found", ""),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A reader that has enough hangs up.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

/// A client of a server with these answers; it has a good token unless they say otherwise.
async fn client(answers: &[(&'static str, &str)]) -> Arc<Client> {
    let mut known = BTreeMap::from([("/latest/api/token", "AQAAAB=".to_owned())]);
    known.extend(answers.iter().map(|(path, body)| (*path, (*body).to_owned())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &known).await;
        }
    });
    Arc::new(Client::at(&endpoint).unwrap())
}

#[tokio::test]
async fn a_page_is_no_value_and_a_missing_key_is_none() {
    let client = client(&[("/latest/meta-data/mac", PAGE), ("/latest/meta-data/instance-id", "i-1\n")]).await;
    let why = client.get("meta-data/mac").await.unwrap_err();
    assert!(why.contains("is a page and no value: \"<html> <head>") && why.lines().count() == 1, "{why}");
    assert_eq!(client.get("meta-data/instance-id").await.unwrap().as_deref(), Some("i-1"));
    assert_eq!(client.get("meta-data/ipv6").await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_of_any_length_is_read_to_the_bound_only() {
    let huge = "x".repeat(50_000_000);
    let client = client(&[("/latest/meta-data/instance-id", &huge)]).await;
    let why = client.get("meta-data/instance-id").await.unwrap_err();
    assert_eq!(why, "the answer is longer than 65536 bytes");
}

#[tokio::test]
async fn a_token_that_is_a_page_is_no_token() {
    let client = client(&[("/latest/api/token", PAGE)]).await;
    let why = client.get("meta-data/mac").await.unwrap_err();
    assert!(why.contains("is a page and no value"), "{why}");
}

/// The SDK's own provider puts the page into a URL, and panics.
#[tokio::test]
async fn a_list_of_roles_that_is_a_page_is_an_error_and_no_panic() {
    for (body, says) in [
        (PAGE, "is a page and no value"),
        ("502 Bad Gateway", "is not the name of a role"),
        ("", "is not the name of a role"),
    ] {
        let role = InstanceRole::new(client(&[(ROLE, body)]).await);
        let why = chain(&role.provide_credentials().await.unwrap_err());
        assert!(why.contains(says) && why.lines().count() == 1, "{why}");
    }
}

#[tokio::test]
async fn a_role_gives_credentials_and_none_is_said_as_such() {
    const CREDENTIALS: &str = r#"{"Code": "Success", "AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}"#;
    let there =
        client(&[(ROLE, "kafka"), ("/latest/meta-data/iam/security-credentials/kafka", CREDENTIALS)]).await;
    let credentials = InstanceRole::new(there).provide_credentials().await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIA1", Some("t")));
    let none = InstanceRole::new(client(&[]).await).provide_credentials().await.unwrap_err();
    assert!(chain(&none).contains("received 404 from IMDS"), "{}", chain(&none));
    let page =
        client(&[(ROLE, "kafka"), ("/latest/meta-data/iam/security-credentials/kafka", "{\"Code\": 7}")])
            .await;
    let why = chain(&InstanceRole::new(page).provide_credentials().await.unwrap_err());
    assert!(why.contains("the credentials of role kafka cannot be read"), "{why}");
}
