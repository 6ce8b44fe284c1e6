#!/usr/bin/env bash
# Puts berth, Kafka and what they need into an image: Amazon Linux 2023, Debian 12 and their kin. Run as root on the
# instance that is baked. Safe to run twice. Writes nothing that belongs to one broker or one cluster.
#
#   SOURCE        folder with berth (the program), systemd/ and files/
#   KAFKA_URL     a Kafka tarball
#   KAFKA_SHA512  its checksum
set -euo pipefail

: "${SOURCE:?folder with berth, systemd/ and files/}"
: "${KAFKA_URL:?address of a Kafka tarball}"
: "${KAFKA_SHA512:?SHA-512 of that tarball}"
if [ "$(id -u)" -ne 0 ]; then
    echo "install.sh changes the system: run it as root" >&2
    exit 1
fi

# --- Packages: Java, and the tools that berth calls (mkfs.xfs, mkfs.ext4, e2fsck) ---
if command -v dnf >/dev/null; then
    dnf -y install java-17-amazon-corretto-headless xfsprogs e2fsprogs tar gzip
elif command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends openjdk-17-jre-headless xfsprogs e2fsprogs ca-certificates curl
else
    echo "neither dnf nor apt-get: this image is not one that install.sh knows" >&2
    exit 1
fi
# berth reads its TLS roots from the system. Without them every call to AWS would fail.
if [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ ! -e /etc/pki/tls/certs/ca-bundle.crt ]; then
    echo "no CA certificates under /etc/ssl/certs or /etc/pki/tls/certs" >&2
    exit 1
fi

# --- The user. One fixed number, since the files on the volume outlive the image that made them. ---
if ! getent group kafka >/dev/null; then groupadd --system --gid 640 kafka; fi
if ! getent passwd kafka >/dev/null; then
    useradd --system --uid 640 --gid kafka --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kafka
fi
if [ "$(id -u kafka):$(id -g kafka)" != 640:640 ]; then
    echo "user kafka exists with ids $(id -u kafka):$(id -g kafka), not 640:640: volumes of other images would not be readable" >&2
    exit 1
fi

# --- Kafka, checked before it is unpacked ---
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curl --fail --silent --show-error --location --retry 5 --output "$work/kafka.tgz" "$KAFKA_URL"
printf '%s  %s\n' "${KAFKA_SHA512,,}" "$work/kafka.tgz" | sha512sum --check --quiet -
version=$(tar -tzf "$work/kafka.tgz" | sed -n '1s,/.*,,p')
case $version in
kafka_*) ;;
*) echo "the tarball begins with '$version', not with kafka_<scala>-<version>" >&2 && exit 1 ;;
esac
rm -rf "/opt/$version"
tar -xzf "$work/kafka.tgz" -C /opt --no-same-owner
ln -sfnT "$version" /opt/kafka

# --- berth and its units ---
install -m 0755 "$SOURCE/berth" /usr/bin/berth
install -d -m 0755 /usr/share/man/man1
/usr/bin/berth man >/usr/share/man/man1/berth.1
install -m 0644 "$SOURCE/systemd/berth.service" "$SOURCE/systemd/kafka.service" /usr/lib/systemd/system/
install -d -m 0755 /etc/berth /etc/berth/berth.d
install -d -m 0750 -o root -g kafka /etc/kafka
install -m 0644 "$SOURCE/files/server.properties.base" /etc/kafka/server.properties.base

# --- The host: kernel settings, disks, and nobody else who configures the slot's network interface ---
install -D -m 0644 "$SOURCE/files/99-kafka.conf" /etc/sysctl.d/99-kafka.conf
install -D -m 0644 "$SOURCE/files/99-berth.rules" /etc/udev/rules.d/99-berth.rules
install -D -m 0644 "$SOURCE/systemd/networkd.conf.d/10-berth.conf" /etc/systemd/networkd.conf.d/10-berth.conf
if [ -d /etc/NetworkManager ]; then
    install -D -m 0644 "$SOURCE/systemd/NetworkManager/conf.d/10-berth.conf" /etc/NetworkManager/conf.d/10-berth.conf
fi
if [ -d /etc/cloud ]; then
    install -D -m 0644 "$SOURCE/files/99-berth-network.cfg" /etc/cloud/cloud.cfg.d/99-berth-network.cfg
fi
# nm-cloud-setup writes rules and tables of its own for every ENI.
for unit in nm-cloud-setup.timer nm-cloud-setup.service; do
    if systemctl list-unit-files "$unit" 2>/dev/null | grep -q "^$unit"; then systemctl disable "$unit"; fi
done

systemctl daemon-reload
# Only berth is enabled, and it waits for /etc/berth/berth.toml. Kafka is started by berth.
systemctl enable berth.service
if [ -e /etc/kafka/server.properties ] || [ -e /etc/berth/berth.toml ]; then
    echo "the image holds a broker's configuration (/etc/kafka/server.properties or /etc/berth/berth.toml)" >&2
    exit 1
fi
/usr/bin/berth --version
