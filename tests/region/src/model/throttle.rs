//! The token buckets of the EC2 API: one bucket for each action of the account, filled at its own rate.
//! Sizes and rates: "Request throttling for the Amazon EC2 API" in the EC2 developer guide. The guide publishes none for
//! Auto Scaling and CloudFormation, so those calls are throttled by injected faults only.

use std::collections::BTreeMap;

use super::Millis;

/// A bucket's capacity and what flows in each second.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bucket {
    /// How many calls may come at once.
    pub size: u32,
    /// How many calls a second in the long run.
    pub per_second: u32,
}

/// The bucket of an EC2 action. `narrowed`: the call names filters or asks for pages.
pub fn bucket_of(action: &str, narrowed: bool) -> Bucket {
    let (size, per_second) = match action {
        "DescribeInstances" | "DescribeInstanceStatus" | "DescribeNetworkInterfaces" | "DescribeVolumes"
            if !narrowed =>
        {
            (50, 10)
        }
        _ if action.starts_with("Describe") => (100, 20),
        "CreateTags" | "DeleteTags" => (100, 10),
        "RunInstances" | "StartInstances" => (5, 2),
        "CreateVolume"
        | "DeleteVolume"
        | "CreateNetworkInterface"
        | "DeleteNetworkInterface"
        | "ModifyNetworkInterfaceAttribute"
        | "TerminateInstances" => (100, 5),
        _ => (50, 5),
    };
    Bucket { size, per_second }
}

/// The tokens left in each bucket, in thousandths.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    levels: BTreeMap<(String, bool), (u64, Millis)>,
}

impl Buckets {
    /// Takes one token; false when there is none.
    pub(super) fn take(&mut self, action: &str, narrowed: bool, now: Millis) -> bool {
        let bucket = bucket_of(action, narrowed);
        let full = u64::from(bucket.size) * 1_000;
        // Only those actions have a second bucket; for the others both keys would give the same size.
        let key = (action.to_owned(), bucket_of(action, true) != bucket);
        let (level, since) = self.levels.entry(key).or_insert((full, now));
        *level = (*level + (now - *since) * u64::from(bucket.per_second)).min(full);
        *since = now;
        if *level < 1_000 {
            return false;
        }
        *level -= 1_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_size_at_once_and_its_rate_in_the_long_run() {
        let mut buckets = Buckets::default();
        let taken =
            |buckets: &mut Buckets, now| (0..200).filter(|_| buckets.take("AttachVolume", true, now)).count();
        assert_eq!(taken(&mut buckets, 0), 50);
        assert_eq!(taken(&mut buckets, 1_000), 5);
        assert_eq!(taken(&mut buckets, 1_100), 0);
        assert_eq!(taken(&mut buckets, 1_200), 1);
    }

    #[test]
    fn actions_do_not_share_buckets_and_unfiltered_describes_have_the_smaller_one() {
        let mut buckets = Buckets::default();
        assert_eq!((0..200).filter(|_| buckets.take("DescribeVolumes", false, 0)).count(), 50);
        assert_eq!((0..200).filter(|_| buckets.take("DescribeVolumes", true, 0)).count(), 100);
        assert_eq!((0..200).filter(|_| buckets.take("DescribeSubnets", true, 0)).count(), 100);
    }
}
