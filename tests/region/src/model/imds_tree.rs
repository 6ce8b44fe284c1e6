//! What an instance's metadata says, as a map from path to value. A new interface lags behind its attachment: first its
//! MAC is not listed, then its device number reads 0.

use std::collections::BTreeMap;

use super::*;

/// EC2 user guide: characters of a tag key that can be served.
fn servable(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "+-=.,_:@".contains(c))
}

impl Region {
    /// Every path below `/latest/` that has a value.
    pub(super) fn metadata_tree(&mut self, id: &str) -> Option<BTreeMap<String, String>> {
        let credentials = self.instance_credentials(id);
        let instance = self.instance(id)?;
        let primary = self.eni(&instance.eni);
        let settings = &self.settings;
        let mut tree = BTreeMap::new();
        let mut put = |path: &str, value: &str| drop(tree.insert(path.to_owned(), value.to_owned()));
        if !instance.launch.user_data.is_empty() {
            put("user-data", &instance.launch.user_data);
        }
        if let Some(document) = self.identity_document(id) {
            put("dynamic/instance-identity/signature", &self.identity_signature(&document));
            put("dynamic/instance-identity/pkcs7", &self.identity_signature(&format!("pkcs7 {document}")));
            put(
                "dynamic/instance-identity/rsa2048",
                &self.identity_signature(&format!("rsa2048 {document}")),
            );
            put("dynamic/instance-identity/document", &document);
        }
        let mut meta = |path: &str, value: &str| put(&format!("meta-data/{path}"), value);
        meta("ami-id", &instance.launch.image);
        meta("instance-id", id);
        meta("instance-type", &instance.launch.instance_type);
        meta("instance-life-cycle", "on-demand");
        meta("reservation-id", &instance.reservation);
        meta("placement/availability-zone", &instance.zone);
        meta("placement/availability-zone-id", &settings.zone_id(&instance.zone));
        meta("placement/region", &settings.region);
        meta("services/domain", &settings.domain);
        meta("services/partition", &settings.partition);
        if let Some(eni) = primary {
            meta("mac", &eni.mac);
            // EC2 user guide, hostname types: one that is IPv6-only is called by its id.
            let mut host = format!("{id}.{}.compute.internal", settings.region);
            if let Some(address) = eni.shown_ips().first().map(ToString::to_string) {
                meta("local-ipv4", &address);
                host = format!("ip-{}.{}.compute.internal", address.replace('.', "-"), settings.region);
            }
            if let Some(address) = eni.ipv6s().first() {
                meta("ipv6", &address.to_string());
            }
            meta("local-hostname", &host);
            meta("hostname", &host);
        }
        for (eni, at) in self.enis_of(id).filter_map(|eni| Some((eni, eni.attachment.as_ref()?))) {
            if at.metadata_from > self.now {
                continue;
            }
            let mut of_mac = |key: &str, value: &str| {
                meta(&format!("network/interfaces/macs/{}/{key}", eni.mac), value);
            };
            let number = if at.number_from > self.now { 0 } else { at.device_index };
            let addresses: Vec<String> = eni.shown_ips().iter().map(ToString::to_string).collect();
            let ipv6s: Vec<String> = eni.ipv6s().iter().map(ToString::to_string).collect();
            let cidr = self.subnet(&eni.subnet).map(|subnet| subnet.cidr.to_string()).unwrap_or_default();
            of_mac("device-number", &number.to_string());
            of_mac("interface-id", &eni.id);
            if !addresses.is_empty() {
                of_mac("local-ipv4s", &addresses.join("\n"));
                of_mac("subnet-ipv4-cidr-block", &cidr);
            }
            if !ipv6s.is_empty() {
                of_mac("ipv6s", &ipv6s.join("\n"));
            }
            of_mac("mac", &eni.mac);
            of_mac("owner-id", &settings.account);
            of_mac("security-group-ids", &eni.groups.join("\n"));
            of_mac("subnet-id", &eni.subnet);
            of_mac("vpc-id", &self.vpc);
            of_mac("vpc-ipv4-cidr-block", &settings.vpc_cidr);
            of_mac("vpc-ipv4-cidr-blocks", &settings.vpc_cidr);
        }
        for (path, value) in self.notices_served(instance) {
            meta(path, &value);
        }
        if instance.launch.metadata_tags {
            for (key, value) in instance.tags.iter().filter(|(key, _)| servable(key)) {
                meta(&format!("tags/instance/{key}"), value);
            }
        }
        let member = instance.group.as_ref().and_then(|group| self.group(group)?.members.get(id));
        if let Some(member) = member.filter(|member| member.target_from <= self.now) {
            meta("autoscaling/target-lifecycle-state", &member.target);
        }
        if let (Some(role), Some(credentials)) = (&instance.launch.profile, credentials) {
            let (issued, expires) = (self.stamp(credentials.issued), self.stamp(credentials.expires));
            // In seconds, as the service writes them.
            let seconds = |stamp: &str| format!("{}Z", stamp.split('.').next().unwrap_or_default());
            let served = serde_json::json!({
                "Code": "Success",
                "LastUpdated": seconds(&issued),
                "Type": "AWS-HMAC",
                "AccessKeyId": credentials.access_key,
                "SecretAccessKey": credentials.secret,
                "Token": credentials.token,
                "Expiration": seconds(&expires),
            });
            meta(&format!("iam/security-credentials/{role}"), &format!("{served:#}"));
            let arn = format!("arn:{}:iam::{}:instance-profile/{role}", settings.partition, settings.account);
            let info = serde_json::json!({
                "Code": "Success", "LastUpdated": seconds(&issued),
                "InstanceProfileArn": arn, "InstanceProfileId": "AIPAREGION00000000000",
            });
            meta("iam/info", &format!("{info:#}"));
        }
        Some(tree)
    }
}
