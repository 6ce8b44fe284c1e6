#!/bin/bash
# User-data of a broker. It names the cluster and starts berth; it knows no broker id, no address, no volume. Every
# instance of the group gets the same text. Put no secret here: any process of the instance can read it.
set -euo pipefail

# --- Yours: the cluster's name (tag berth:cluster of its ENIs and volumes) and its ZooKeeper ---
cluster='orders'
zookeeper='10.0.1.200:2181,10.0.2.200:2181,10.0.3.200:2181/kafka'

# The file appears whole, or not at all: berth.service starts once it is there, and user-data may be cut off at any point.
install -d -m 0755 /etc/berth
new=$(mktemp /etc/berth/.berth.toml.XXXXXX)
cat >"$new" <<END
cluster = "$cluster"
zookeeper = "$zookeeper"
END
chmod 0644 "$new"
sync "$new"
mv -fT "$new" /etc/berth/berth.toml

# --no-block: this script runs inside cloud-final, and a boot may wait long for its slot. Nothing waits for this script.
systemctl start --no-block berth.service
