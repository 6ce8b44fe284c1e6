//! The world of these tests: two zones, delays that are known, and short ways to say common calls.

use region::model::*;

pub(crate) struct World {
    pub(crate) region: Region,
    pub(crate) a: SubnetId,
    pub(crate) b: SubnetId,
}

pub(crate) const PENDING: Millis = 2_000;
pub(crate) const GOING: Millis = 6_000;
pub(crate) const ATTACH: Millis = 1_500;
pub(crate) const DETACH: Millis = 1_000;

pub(crate) fn delays() -> Delays {
    Delays {
        instance_pending: Delay::Fixed(PENDING),
        instance_shutting_down: Delay::Fixed(GOING),
        volume_attach: Delay::Fixed(ATTACH),
        volume_detach: Delay::Fixed(DETACH),
        eni_attach: Delay::Fixed(ATTACH),
        eni_detach: Delay::Fixed(DETACH),
        group_launch: Delay::Fixed(1_000),
        group_notice: Delay::Fixed(500),
        health_check: Delay::Fixed(3_000),
        ..Delays::none()
    }
}

pub(crate) fn world() -> World {
    world_with(Settings { throttle: false, delays: delays(), ..Settings::default() })
}

pub(crate) fn world_with(settings: Settings) -> World {
    let mut region = Region::new(settings);
    let mut subnet = |zone: &str, cidr: &str| {
        region.add_subnet(SubnetSpec { zone: zone.into(), cidr: cidr.into(), ..Default::default() })
    };
    let a = subnet("eu-central-1a", "10.0.1.0/24");
    let b = subnet("eu-central-1b", "10.0.2.0/24");
    World { region, a, b }
}

impl World {
    /// An instance that is running.
    pub(crate) fn running(&mut self, subnet: &str) -> InstanceId {
        let spec =
            LaunchSpec { subnet: subnet.into(), profile: Some("berth".into()), ..LaunchSpec::default() };
        let id = self.region.run_instance(spec);
        self.pass(PENDING);
        id
    }

    pub(crate) fn pass(&mut self, time: Millis) {
        let to = self.region.now() + time;
        self.region.advance(to);
    }

    pub(crate) fn volume(&mut self, zone: &str) -> VolumeId {
        self.region.add_volume(VolumeSpec { zone: format!("eu-central-1{zone}"), ..VolumeSpec::default() })
    }

    pub(crate) fn eni(&mut self, subnet: &str) -> EniId {
        self.region.add_eni(EniSpec { subnet: subnet.into(), ..EniSpec::default() })
    }

    pub(crate) fn attach(&mut self, volume: &str, instance: &str, device: &str) -> Result<String, CallError> {
        let request = AttachVolumeRequest {
            volume: volume.into(),
            instance: instance.into(),
            device: device.into(),
            dry_run: false,
        };
        self.region.attach_volume(&Caller::instance(instance), request).map(|view| view.state)
    }

    pub(crate) fn detach(&mut self, volume: &str, instance: &str) -> Result<String, CallError> {
        let request = DetachVolumeRequest {
            volume: volume.into(),
            instance: Some(instance.into()),
            ..DetachVolumeRequest::default()
        };
        self.region.detach_volume(&Caller::instance(instance), request).map(|view| view.state)
    }

    pub(crate) fn attach_eni(&mut self, eni: &str, instance: &str, index: u32) -> Result<String, CallError> {
        let request = AttachEniRequest {
            eni: eni.into(),
            instance: instance.into(),
            device_index: index,
            network_card_index: Some(0),
            dry_run: false,
        };
        self.region.attach_network_interface(&Caller::instance(instance), request).map(|view| view.attachment)
    }

    pub(crate) fn detach_eni(&mut self, attachment: &str) -> Result<(), CallError> {
        let request = DetachEniRequest { attachment: attachment.into(), ..DetachEniRequest::default() };
        self.region.detach_network_interface(&Caller::admin(), request)
    }

    /// A value of an instance's metadata, or the status that came instead.
    pub(crate) fn meta(&mut self, instance: &str, path: &str) -> Result<String, u16> {
        let mut ask = |method: &str, path: &str, name: &str, value: &str| {
            let headers = [(name.to_owned(), value.to_owned())];
            self.region.imds(instance, &ImdsRequest { method, path, headers: &headers })
        };
        let token = ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60").body;
        let path = format!("/latest/meta-data/{path}");
        let answer = ask("GET", &path, "X-aws-ec2-metadata-token", &token);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.status) }
    }

    /// The state of a volume, and of its one attachment, as describe calls show them.
    pub(crate) fn seen(&mut self, volume: &str) -> (String, Option<String>) {
        let request = DescribeRequest { ids: vec![volume.into()], ..DescribeRequest::default() };
        let page = self.region.describe_volumes(&Caller::admin(), request).expect("the volume is there");
        let view = &page.items[0];
        (view.state.clone(), view.attachments.first().map(|at| at.state.clone()))
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result.expect_err("this should be refused") {
        CallError::Refused(refusal) => refusal.code,
        other => panic!("neither done nor refused: {other}"),
    }
}

/// The code and message of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> (String, String) {
    match result.expect_err("this should be refused") {
        CallError::Refused(refusal) => (refusal.code, refusal.message),
        other => panic!("neither done nor refused: {other}"),
    }
}

/// How often an event of some kind is in the journal.
pub(crate) fn count(region: &Region, is_it: impl Fn(&Event) -> bool) -> usize {
    region.journal().iter().filter(|entry| is_it(&entry.event)).count()
}
