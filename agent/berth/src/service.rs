//! Kinds of service, one file each: the register that tells which brokers are there.

mod kafka_zookeeper;
