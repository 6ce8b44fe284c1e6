//! Subnets, and the arithmetic of their addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::sources::{ADDRESS_IN_USE, PARAMETER_VALUE, SUBNET_CONFLICT, SUBNET_FULL, SUBNET_RANGE};
use super::{Refusal, Region, Subnet, SubnetId, SubnetSpec};

/// A block of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: u32,
    length: u32,
}

impl Cidr {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - self.length).unwrap_or(0)
    }

    /// Whether an address is within.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == self.base
    }

    fn overlaps(self, other: Cidr) -> bool {
        let mask = self.mask() & other.mask();
        self.base & mask == other.base & mask
    }

    fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.wrapping_add(n))
    }

    /// How many addresses it has.
    pub fn size(self) -> u32 {
        1u32.checked_shl(32 - self.length).unwrap_or(u32::MAX)
    }

    /// Whether AWS keeps the address: the first four and the last.
    fn reserved(self, address: Ipv4Addr) -> bool {
        let n = u32::from(address) - self.base;
        n < 4 || n == self.size() - 1
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", Ipv4Addr::from(self.base), self.length)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let bad =
            || format!("Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.");
        let (base, length) = text.split_once('/').ok_or_else(bad)?;
        let length: u32 = length.parse().map_err(|_| bad())?;
        let base: Ipv4Addr = base.parse().map_err(|_| bad())?;
        let cidr = Cidr { base: base.into(), length };
        if !(8..=28).contains(&length) || cidr.base & !cidr.mask() != 0 { Err(bad()) } else { Ok(cidr) }
    }
}

impl Region {
    /// Makes a subnet, unchecked by the API.
    ///
    /// # Panics
    /// When the addresses are no CIDR block.
    pub fn add_subnet(&mut self, spec: SubnetSpec) -> SubnetId {
        let cidr = spec.cidr.parse().expect("a subnet's cidr reads like 10.0.1.0/24");
        self.put_subnet(spec, cidr)
    }

    fn put_subnet(&mut self, spec: SubnetSpec, cidr: Cidr) -> SubnetId {
        let id = self.names.id("subnet");
        self.subnets.insert(id.clone(), Subnet { id: id.clone(), zone: spec.zone, cidr, tags: spec.tags });
        id
    }

    pub(super) fn create_subnet_checked(&mut self, spec: SubnetSpec) -> Result<SubnetId, Refusal> {
        let cidr: Cidr =
            spec.cidr.parse().map_err(|message: String| Refusal::of(&PARAMETER_VALUE, message))?;
        let vpc: Cidr = self
            .settings
            .vpc_cidr
            .parse()
            .map_err(|message: String| Refusal::of(&PARAMETER_VALUE, message))?;
        if !vpc.contains(cidr.nth(0)) || cidr.length < vpc.length {
            return Err(Refusal::of(&SUBNET_RANGE, format!("The CIDR '{cidr}' is invalid.")));
        }
        if self.subnets.values().any(|other| other.cidr.overlaps(cidr)) {
            return Err(Refusal::of(
                &SUBNET_CONFLICT,
                format!("The CIDR '{cidr}' conflicts with another subnet"),
            ));
        }
        Ok(self.put_subnet(spec, cidr))
    }

    fn taken(&self, address: Ipv4Addr) -> bool {
        self.enis.values().any(|eni| eni.get().private_ips.contains(&address))
    }

    /// The addresses a new interface gets: those asked for, checked, or one that is free.
    pub(super) fn addresses_for(
        &self,
        subnet: &Subnet,
        asked: &[Ipv4Addr],
    ) -> Result<Vec<Ipv4Addr>, Refusal> {
        for &address in asked {
            if !subnet.cidr.contains(address) || subnet.cidr.reserved(address) {
                let message = format!("Address {address} is not a usable address of {}", subnet.id);
                return Err(Refusal::of(&PARAMETER_VALUE, message));
            }
            if self.taken(address) {
                return Err(Refusal::of(&ADDRESS_IN_USE, format!("Address {address} is in use.")));
            }
        }
        if !asked.is_empty() {
            return Ok(asked.to_vec());
        }
        let usable = subnet.cidr.size() - 1;
        (10..usable)
            .chain(4..10)
            .map(|n| subnet.cidr.nth(n))
            .find(|&address| !self.taken(address))
            .map(|address| vec![address])
            .ok_or_else(|| Refusal::of(&SUBNET_FULL, format!("No free addresses in subnet '{}'.", subnet.id)))
    }

    /// How many addresses are left in a subnet.
    pub(super) fn free_addresses(&self, subnet: &Subnet) -> u32 {
        let taken: usize = self
            .enis
            .values()
            .filter(|eni| eni.get().subnet == subnet.id)
            .map(|eni| eni.get().private_ips.len())
            .sum();
        (subnet.cidr.size() - 5).saturating_sub(taken as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_its_addresses_and_what_aws_keeps_of_them() {
        let block: Cidr = "10.0.1.0/24".parse().unwrap();
        assert!(block.contains(Ipv4Addr::new(10, 0, 1, 77)) && !block.contains(Ipv4Addr::new(10, 0, 2, 77)));
        assert!(block.reserved(Ipv4Addr::new(10, 0, 1, 3)) && block.reserved(Ipv4Addr::new(10, 0, 1, 255)));
        assert!(!block.reserved(Ipv4Addr::new(10, 0, 1, 4)));
        assert!("10.0.1.1/24".parse::<Cidr>().is_err() && "10.0.1.0".parse::<Cidr>().is_err());
        assert!(
            block.overlaps("10.0.0.0/16".parse().unwrap()) && !block.overlaps("10.0.2.0/24".parse().unwrap())
        );
    }
}
