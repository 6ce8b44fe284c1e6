//! Who may call: the operator's key pair, the temporary credentials of instances, and the identity documents that an
//! instance shows to CloudFormation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

/// The region's own key; the identity signature need only be one that nobody else could have made.
const IDENTITY_KEY: &[u8] = b"region instance identity";
/// Credentials are renewed when less than this is left of them.
const RENEWED_BEFORE: Millis = 3_600_000;

/// The temporary credentials of an instance's role.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `ASIA…`
    pub access_key: String,
    /// What requests are signed with.
    pub secret: String,
    /// The session token that must come with each request.
    pub token: String,
    /// The instance they were given to.
    pub instance: InstanceId,
    /// When they were made.
    pub issued: Millis,
    /// Until when they are good.
    pub expires: Millis,
}

/// What is known about an access key.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// What requests are signed with.
    pub secret: String,
    /// The session token, for temporary ones.
    pub token: Option<String>,
    /// Whether it has expired.
    pub expired: bool,
    /// Who calls with it.
    pub caller: Caller,
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

impl Region {
    /// Looks up an access key.
    pub fn known_key(&self, access_key: &str) -> Option<KnownKey> {
        let admin = &self.settings.admin;
        if access_key == admin.access_key {
            let caller = Caller { instance: None, access_key: Some(access_key.to_owned()) };
            return Some(KnownKey { secret: admin.secret.clone(), token: None, expired: false, caller });
        }
        let found = self.credentials.get(access_key)?;
        Some(KnownKey {
            secret: found.secret.clone(),
            token: Some(found.token.clone()),
            expired: found.expires <= self.now,
            caller: Caller {
                instance: Some(found.instance.clone()),
                access_key: Some(access_key.to_owned()),
            },
        })
    }

    /// The credentials of an instance's role, renewed before they end. None without a profile.
    pub fn instance_credentials(&mut self, instance: &str) -> Option<Credentials> {
        self.instance(instance)?.launch.profile.as_ref()?;
        let newest = self.credentials.values().filter(|c| c.instance == instance).max_by_key(|c| c.issued);
        if let Some(good) = newest.filter(|c| c.expires > self.now + RENEWED_BEFORE) {
            return Some(good.clone());
        }
        let made = Credentials {
            access_key: self.names.key("ASIA", 16),
            secret: self.names.secret(40),
            token: self.names.secret(120),
            instance: instance.to_owned(),
            issued: self.now,
            expires: self.now + self.settings.credentials_lifetime,
        };
        self.credentials.insert(made.access_key.clone(), made.clone());
        Some(made)
    }

    /// An instance's identity document, as its metadata serves it.
    pub fn identity_document(&self, id: &str) -> Option<String> {
        let instance = self.instance(id)?;
        let eni = self.eni(&instance.eni);
        let address =
            eni.and_then(|eni| eni.shown_ips().first()).map(ToString::to_string).unwrap_or_default();
        let document = serde_json::json!({
            "accountId": self.settings.account,
            "architecture": "x86_64",
            "availabilityZone": instance.zone,
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": instance.launch.image,
            "instanceId": instance.id,
            "instanceType": instance.launch.instance_type,
            "kernelId": null,
            "pendingTime": self.stamp(instance.launched_at),
            "privateIp": address,
            "ramdiskId": null,
            "region": self.settings.region,
            "version": "2017-09-30",
        });
        serde_json::to_string_pretty(&document).ok()
    }

    /// The signature of an identity document: base64 in lines, as AWS's 128 bytes come.
    pub fn identity_signature(&self, document: &str) -> String {
        let bytes: Vec<u8> = (0u8..4)
            .flat_map(|part| hmac_sha256(IDENTITY_KEY, &[&[part], document.as_bytes()].concat()))
            .collect();
        let text = STANDARD.encode(bytes);
        let lines: Vec<&str> =
            (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        lines.join("\n")
    }

    /// The instance that a `CFN_V1` authorization proves: `<base64 of the document>:<signature without line breaks>`.
    /// The document may come without the blanks at its end.
    pub fn identify(&self, authorization: &str) -> Option<InstanceId> {
        let (document, signature) = authorization.trim().split_once(':')?;
        let document = String::from_utf8(STANDARD.decode(document).ok()?).ok()?;
        let claimed: serde_json::Value = serde_json::from_str(&document).ok()?;
        let instance = claimed["instanceId"].as_str()?;
        let truth = self.identity_document(instance)?;
        let right = self.identity_signature(&truth).replace('\n', "");
        (truth.trim_end() == document.trim_end() && signature == right).then(|| instance.to_owned())
    }
}
