//! An ensemble in memory: nodes with versions and transaction ids, sessions that expire, transactions.
//!
//! A session lives on when its process is killed; its ephemeral nodes go when its time-out has passed.

use crate::world::Millis;
use std::collections::BTreeMap;

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its data version.
    pub version: i32,
    /// Transaction of its creation.
    pub czxid: i64,
    /// Transaction of its last change.
    pub mzxid: i64,
    /// When it was made, Unix milliseconds.
    pub ctime: Millis,
    /// When it was changed, Unix milliseconds.
    pub mtime: Millis,
    /// The session that it goes with.
    pub owner: Option<u64>,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The instance that opened it.
    pub instance: String,
    /// Its time-out.
    pub timeout: Millis,
    /// Since when nobody keeps it alive.
    pub silent_since: Option<Millis>,
}

/// One part of a transaction.
#[derive(Debug, Clone)]
pub enum Op {
    /// Creates a node.
    Create {
        /// Where.
        path: String,
        /// Its bytes.
        data: Vec<u8>,
        /// Whether it goes with the session.
        ephemeral: bool,
    },
    /// Sets a node's bytes at a version.
    Set(String, Vec<u8>, i32),
    /// Deletes a node.
    Delete(String),
    /// Checks that a node is there at a version.
    Check(String, i32),
    /// Checks that a node is there and the session's own.
    CheckOwn(String),
}

/// Why a transaction was refused, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The node exists.
    Exists,
    /// There is no such node, or it is another's.
    NoNode,
    /// Another version.
    BadVersion,
    /// The session has expired.
    SessionExpired,
}

/// The ensemble's state.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The last transaction id.
    pub zxid: i64,
    /// All nodes.
    pub nodes: BTreeMap<String, Node>,
    /// All live sessions.
    pub sessions: BTreeMap<u64, Session>,
    /// The ensemble is down: no call arrives, no session expires.
    pub down: bool,
    /// Instances that cannot reach it.
    pub cut_off: std::collections::BTreeSet<String>,
    made: u64,
}

impl Tree {
    /// A new session.
    pub fn connect(&mut self, instance: &str, timeout: Millis) -> u64 {
        self.made += 1;
        let session = Session { instance: instance.to_owned(), timeout, silent_since: None };
        self.sessions.insert(self.made, session);
        self.made
    }

    /// Whether calls of this instance arrive.
    pub fn reaches(&self, instance: &str) -> bool {
        !self.down && !self.cut_off.contains(instance)
    }

    /// Ends a session: its ephemeral nodes go.
    pub fn end(&mut self, session: u64) {
        if self.sessions.remove(&session).is_some() {
            self.zxid += 1;
            self.nodes.retain(|_, node| node.owner != Some(session));
        }
    }

    /// A transaction: all of it, or nothing.
    pub fn multi(&mut self, session: u64, ops: &[Op], now: Millis) -> Result<i64, Refused> {
        if !self.sessions.contains_key(&session) {
            return Err(Refused::SessionExpired);
        }
        for op in ops {
            match op {
                Op::Create { path, .. } if self.nodes.contains_key(path) => return Err(Refused::Exists),
                Op::Create { .. } => {}
                Op::Set(path, _, version) => {
                    let node = self.nodes.get(path).ok_or(Refused::NoNode)?;
                    if node.version != *version {
                        return Err(Refused::BadVersion);
                    }
                }
                Op::Check(path, version) => {
                    if self.nodes.get(path).ok_or(Refused::NoNode)?.version != *version {
                        return Err(Refused::BadVersion);
                    }
                }
                Op::Delete(path) => drop(self.nodes.get(path).ok_or(Refused::NoNode)?),
                Op::CheckOwn(path) => {
                    let node = self.nodes.get(path).ok_or(Refused::NoNode)?;
                    if node.owner != Some(session) {
                        return Err(Refused::NoNode);
                    }
                }
            }
        }
        self.zxid += 1;
        let zxid = self.zxid;
        for op in ops {
            match op.clone() {
                Op::Create { path, data, ephemeral } => {
                    let owner = ephemeral.then_some(session);
                    let node =
                        Node { data, version: 0, czxid: zxid, mzxid: zxid, ctime: now, mtime: now, owner };
                    self.nodes.insert(path, node);
                }
                Op::Set(path, data, _) => {
                    if let Some(node) = self.nodes.get_mut(&path) {
                        (node.data, node.mzxid, node.mtime) = (data, zxid, now);
                        node.version += 1;
                    }
                }
                Op::Delete(path) => drop(self.nodes.remove(&path)),
                Op::Check(..) | Op::CheckOwn(_) => {}
            }
        }
        Ok(zxid)
    }

    /// The nodes below a path, in order, with their names.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let from = format!("{path}/");
        let len = from.len();
        self.nodes
            .range(from.clone()..)
            .take_while(move |(name, _)| name.starts_with(&from))
            .map(move |(name, node)| (&name[len..], node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(path: &str, ephemeral: bool) -> Op {
        Op::Create { path: path.to_owned(), data: vec![], ephemeral }
    }

    #[test]
    fn a_transaction_is_carried_out_whole_or_not_at_all() {
        let mut tree = Tree::default();
        let session = tree.connect("i", 1);
        tree.multi(session, &[create("/a", false)], 0).unwrap();
        let refused = tree.multi(session, &[create("/b", false), Op::Set("/a".into(), vec![1], 7)], 0);
        assert_eq!(refused, Err(Refused::BadVersion));
        assert!(!tree.nodes.contains_key("/b"));
    }

    #[test]
    fn an_ephemeral_node_goes_with_its_session_and_is_nobody_elses() {
        let mut tree = Tree::default();
        let (mine, other) = (tree.connect("i", 1), tree.connect("j", 1));
        tree.multi(mine, &[create("/e", true)], 0).unwrap();
        assert_eq!(tree.multi(other, &[Op::CheckOwn("/e".into())], 0), Err(Refused::NoNode));
        tree.end(mine);
        assert!(tree.nodes.is_empty());
        assert_eq!(tree.multi(mine, &[], 0), Err(Refused::SessionExpired));
    }
}
