//! The files by which the other managers of a host's network are told to leave one interface alone.
//!
//! By its MAC, which EC2 has before the interface is attached: a name comes with the link, and by then DHCP may run on it.

use crate::MacAddress;

/// A file: its path, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerFile {
    /// Where. `/run` is empty after a reboot.
    pub path: String,
    /// Its whole content.
    pub text: String,
}

/// What the name of each such file begins with: whatever begins so is berth's.
pub const PREFIX: &str = "00-berth-";

/// systemd-networkd's file for one interface. Of all `.network` files that match a link the first by name counts, in
/// whichever directory it lies (systemd.network(5)): it goes before the `80-ec2.network` of Amazon Linux, and before what
/// amazon-ec2-net-utils writes as `70-<link>.network` every minute. That program configures by such files alone
/// (its lib/lib.sh), so nothing else has to be said to it.
pub fn networkd(mac: MacAddress) -> ManagerFile {
    ManagerFile {
        path: format!("/run/systemd/network/{PREFIX}{}.network", dashed(mac)),
        text: format!("{HEAD}[Match]\nMACAddress={mac}\n\n[Link]\nUnmanaged=yes\n"),
    }
}

/// NetworkManager's file for one interface. A section of its own: a later `unmanaged-devices=` in /etc would replace that of
/// /run, and one in /run would replace the distribution's, and bring other interfaces under management (seen with
/// NetworkManager 1.42). `mac:` is the permanent address (NetworkManager.conf(5), "Device List Format"), which is an ENI's.
pub fn network_manager(mac: MacAddress) -> ManagerFile {
    ManagerFile {
        path: format!("/run/NetworkManager/conf.d/{PREFIX}{}.conf", dashed(mac)),
        text: format!("{HEAD}[device-berth-{}]\nmatch-device=mac:{mac}\nmanaged=0\n", dashed(mac)),
    }
}

const HEAD: &str =
    "# Written by berth before it attached this interface, and removed when it gives it back.\n";

fn dashed(mac: MacAddress) -> String {
    mac.to_string().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_gets_a_file_for_exactly_this_interface() {
        let mac: MacAddress = "0e:00:00:00:00:5a".parse().unwrap();
        let ManagerFile { path, text } = networkd(mac);
        assert_eq!(path, "/run/systemd/network/00-berth-0e-00-00-00-00-5a.network");
        assert_eq!(
            text,
            "# Written by berth before it attached this interface, and removed when it gives it back.
[Match]
MACAddress=0e:00:00:00:00:5a

[Link]
Unmanaged=yes
"
        );
        let ManagerFile { path, text } = network_manager(mac);
        assert_eq!(path, "/run/NetworkManager/conf.d/00-berth-0e-00-00-00-00-5a.conf");
        assert_eq!(
            text,
            "# Written by berth before it attached this interface, and removed when it gives it back.
[device-berth-0e-00-00-00-00-5a]
match-device=mac:0e:00:00:00:00:5a
managed=0
"
        );
    }
}
