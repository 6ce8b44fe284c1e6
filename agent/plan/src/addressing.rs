//! Ethernet addresses and IPv4 subnets, as small as berth needs them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// An Ethernet address. Written in lower case with colons, as the kernel and EC2 write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

/// A text that is no Ethernet address or no IPv4 subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not {expected}", crate::remote_text::quoted(.text))]
pub struct NotAnAddress {
    text: String,
    expected: &'static str,
}

impl std::str::FromStr for MacAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let refused = || NotAnAddress { text: text.to_owned(), expected: "an Ethernet address" };
        let parts: Vec<u8> = text
            .trim()
            .split(':')
            .map(|part| if part.len() == 2 { u8::from_str_radix(part, 16).ok() } else { None })
            .collect::<Option<_>>()
            .ok_or_else(refused)?;
        parts.try_into().map(Self).map_err(|_| refused())
    }
}

impl TryFrom<String> for MacAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An IPv4 subnet of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    /// The network address: the bits of the host are zero.
    pub base: Ipv4Addr,
    /// Length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl Subnet {
    /// The VPC's router: the network address plus one (VPC user guide, "Subnet CIDR blocks": the first four addresses
    /// and the last are reserved, the second of them for the router).
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) + 1)
    }

    /// Whether the address lies in this subnet.
    pub fn holds(self, address: Ipv4Addr) -> bool {
        Self::network(address, self.prefix) == self.base
    }

    fn network(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Ipv4Addr::from(u32::from(address) & mask)
    }
}

impl std::str::FromStr for Subnet {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let refused =
            || NotAnAddress { text: text.to_owned(), expected: "an IPv4 subnet such as 10.0.1.0/24" };
        let (base, prefix) = text.trim().split_once('/').ok_or_else(refused)?;
        let base: Ipv4Addr = base.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        if prefix > 32 || Self::network(base, prefix) != base {
            return Err(refused());
        }
        Ok(Self { base, prefix })
    }
}

impl TryFrom<String> for Subnet {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ethernet_address_is_written_in_lower_case() {
        assert_eq!("06:AB:00:00:00:50".parse::<MacAddress>().unwrap().to_string(), "06:ab:00:00:00:50");
        assert!("06:ab:00:00:00".parse::<MacAddress>().is_err());
    }

    #[test]
    fn the_gateway_is_the_first_address_of_the_subnet() {
        let subnet: Subnet = "10.0.1.0/24".parse().unwrap();
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 0, 1, 1));
        assert!(subnet.holds(Ipv4Addr::new(10, 0, 1, 77)) && !subnet.holds(Ipv4Addr::new(10, 0, 2, 77)));
        assert!("10.0.1.5/24".parse::<Subnet>().is_err());
    }
}
