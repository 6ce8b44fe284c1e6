//! Real clients of the cluster, in the clients' namespace: `kcat` to write and read, Kafka's own tools to make topics. They
//! know the brokers only by the address list that they were configured with.

use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{Context, Error, Result};
use crate::image::jars;
use crate::instance::{Ran, ran};
use crate::netns;

/// A client in the lab.
#[derive(Debug, Clone)]
pub struct Clients {
    srv: String,
    /// The address list: `10.0.1.50:9092,...`
    pub bootstrap: String,
}

/// What was read of a topic.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Content {
    /// How many messages.
    pub messages: usize,
    /// SHA-256 over the sorted messages: partitions have no order among each other.
    pub sha256: String,
}

impl Content {
    /// Of these messages.
    pub fn of<'a>(messages: impl Iterator<Item = &'a str>) -> Content {
        let mut sorted: Vec<&str> = messages.collect();
        sorted.sort_unstable();
        let mut hash = Sha256::new();
        for message in &sorted {
            hash.update(message.as_bytes());
            hash.update(b"\n");
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Content { messages: sorted.len(), sha256 }
    }
}

impl Clients {
    /// Clients in this namespace with this address list.
    pub fn new(srv: &str, bootstrap: &str) -> Clients {
        Clients { srv: srv.to_owned(), bootstrap: bootstrap.to_owned() }
    }

    /// A command beside the instances, as a client runs it: BOOTSTRAP and KAFKA_JARS are set.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::from(netns::command(&self.srv, program));
        command.env("BOOTSTRAP", &self.bootstrap);
        if let Ok(jars) = jars() {
            command.env("KAFKA_JARS", jars);
        }
        command
    }

    /// Runs `kafka-topics` with these arguments.
    pub async fn topics(&self, args: &[&str]) -> Result<String> {
        let mut command = self.command("java");
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(format!("{}/*", jars()?.display())).arg("org.apache.kafka.tools.TopicCommand");
        command.args(["--bootstrap-server", &self.bootstrap]).args(args);
        let done = ran(command, Duration::from_secs(60)).await?;
        succeeded(&format!("kafka-topics {}", args.join(" ")), done)
    }

    /// Writes messages, each acknowledged by all in-sync replicas.
    pub async fn produce(&self, topic: &str, messages: &[String]) -> Result<()> {
        let mut command = self.command("kcat");
        command.args([
            "-P",
            "-b",
            &self.bootstrap,
            "-t",
            topic,
            "-X",
            "acks=all",
            "-X",
            "linger.ms=20",
            "-X",
            "message.timeout.ms=60000",
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context(|| crate::commands::missing("kcat"))?;
        let mut stdin = child.stdin.take().ok_or_else(|| Error::new("kcat has no standard input"))?;
        let text = messages.join("\n") + "\n";
        let writing = tokio::spawn(async move {
            stdin.write_all(text.as_bytes()).await?;
            stdin.shutdown().await
        });
        let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output())
            .await
            .map_err(|_| Error::new(format!("kcat did not write to {topic} within 120 s")))?
            .context(|| "wait for kcat".into())?;
        writing.await.context(|| "write to kcat".into())?.context(|| "write to kcat".into())?;
        let done = Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::new(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        succeeded(&format!("write to {topic}"), done).map(drop)
    }

    /// Reads a topic from its beginning to its end.
    pub async fn read(&self, topic: &str) -> Result<Content> {
        let mut command = self.command("kcat");
        command.args([
            "-C",
            "-b",
            &self.bootstrap,
            "-t",
            topic,
            "-o",
            "beginning",
            "-e",
            "-q",
            "-f",
            "%s\\n",
        ]);
        command.args(["-X", "check.crcs=true"]);
        let done = ran(command, Duration::from_secs(60)).await?;
        Ok(Content::of(succeeded(&format!("read {topic}"), done)?.lines()))
    }
}

fn succeeded(what: &str, done: Ran) -> Result<String> {
    if done.code == 0 {
        return Ok(done.out);
    }
    let said = if done.err.trim().is_empty() { &done.out } else { &done.err };
    Err(Error::new(format!("{what}: exit status {}: {}", done.code, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_same_in_any_order_and_another_with_one_message_changed() {
        let content = Content::of(["a", "b"].into_iter());
        assert_eq!(content, Content::of(["b", "a"].into_iter()));
        assert_ne!(content, Content::of(["a", "c"].into_iter()));
        assert_eq!(content.messages, 2);
    }
}
