//! The front door of the API: every call, typed or from the wire, passes here through token buckets, faults and the
//! journal, and is then carried out at once and whole.

use super::fault::{Effect, FaultKind, Subject};
use super::schedule::Due;
use super::sources::{DRY_RUN, REQUEST_LIMIT};
use super::*;

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// The instance whose credentials were used.
    pub instance: Option<String>,
    /// The access key.
    pub access_key: Option<String>,
}

impl Caller {
    /// The operator.
    pub fn admin() -> Caller {
        Caller::default()
    }

    /// A program on an instance.
    pub fn instance(id: &str) -> Caller {
        Caller { instance: Some(id.to_owned()), access_key: None }
    }
}

impl Region {
    /// Any API call.
    pub fn call(&mut self, caller: &Caller, request: Request) -> Result<Answer, CallError> {
        self.call_identified(caller, request).0
    }

    /// Any API call, and the request id under which the journal has it.
    pub fn call_identified(
        &mut self,
        caller: &Caller,
        request: Request,
    ) -> (Result<Answer, CallError>, String) {
        let request_id = self.names.uuid();
        let params = request.params();
        let begin = self.journal.len();
        self.slow = None;
        let result = self.admit(caller, &request, &params);
        let outcome = result.as_ref().map_or_else(|error| error.outcome().to_owned(), |_| "ok".to_owned());
        // The call stands before what it brought about.
        let call = Event::Call {
            api: request.api().to_owned(),
            action: request.action().to_owned(),
            caller: caller.instance.clone(),
            params,
            outcome,
            request_id: request_id.clone(),
        };
        self.journal.insert(begin, Entry { seq: begin, at: self.now, event: call });
        for (seq, entry) in self.journal.iter_mut().enumerate().skip(begin) {
            entry.seq = seq;
        }
        (result, request_id)
    }

    /// Writes down a call that was refused at the door: not signed by anybody the region knows, or not a call.
    pub(crate) fn turned_away(&mut self, api: &str, action: &str, refusal: &Refusal) -> String {
        let request_id = self.names.uuid();
        self.record(Event::Call {
            api: api.to_owned(),
            action: action.to_owned(),
            caller: None,
            params: Default::default(),
            outcome: refusal.code.clone(),
            request_id: request_id.clone(),
        });
        request_id
    }

    fn admit(
        &mut self,
        caller: &Caller,
        request: &Request,
        params: &std::collections::BTreeMap<String, String>,
    ) -> Result<Answer, CallError> {
        let (api, action) = (request.api(), request.action());
        if self.settings.throttle && api == "ec2" && !self.buckets.take(action, request.narrowed(), self.now)
        {
            return Err(Refusal::of(&REQUEST_LIMIT, "Request limit exceeded.").into());
        }
        let subject = Subject {
            api,
            action,
            caller: caller.instance.as_deref(),
            values: params.values().map(String::as_str).collect(),
        };
        let mut effect = Effect::default();
        let mut lost = false;
        if let Some(kind) = self.fault_for(&subject) {
            match kind {
                FaultKind::Reset => return Err(CallError::Reset),
                FaultKind::LateCommit(delay) => {
                    self.later(delay, Due::LateCommit { request: Box::new(request.clone()) });
                    return Err(CallError::Lost);
                }
                FaultKind::LostReply => lost = true,
                FaultKind::Stale(age) => effect.stale = Some(age),
                FaultKind::StuckAttaching => effect.stuck = true,
                FaultKind::Undone(after) => effect.undone = Some(after),
                FaultKind::Busy => effect.busy = true,
                FaultKind::DetachingFor(long) => effect.detaching_for = Some(long),
                FaultKind::Slow(longer) => self.slow = Some(longer),
                refused => {
                    if let Some(refusal) = self.injected_refusal(caller, api, action, refused) {
                        return Err(refusal.into());
                    }
                }
            }
        }
        if request.dry_run() {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(Refusal::of(&DRY_RUN, message).into());
        }
        let answer = self.execute(request, &effect);
        if lost { Err(CallError::Lost) } else { answer.map_err(CallError::from) }
    }

    pub(super) fn execute(&mut self, request: &Request, effect: &Effect) -> Result<Answer, Refusal> {
        match request {
            Request::DescribeInstances(r) => self.see_instances(r, effect).map(Answer::Instances),
            Request::DescribeInstanceStatus(r) => self.see_statuses(r, effect).map(Answer::Statuses),
            Request::DescribeVolumes(r) => self.see_volumes(r, effect).map(Answer::Volumes),
            Request::DescribeNetworkInterfaces(r) => self.see_enis(r, effect).map(Answer::Enis),
            Request::DescribeSubnets(r) => self.see_subnets(r).map(Answer::Subnets),
            Request::DescribeVpcs(r) => self.see_vpcs(r).map(Answer::Vpcs),
            Request::DescribeTags(r) => self.see_tags(r, effect).map(Answer::Tags),
            Request::DescribeInstanceTypes(r) => self.see_types(r).map(Answer::Types),
            Request::DescribeAvailabilityZones(r) => self.see_zones(r).map(Answer::Zones),
            Request::AttachVolume(r) => self.attach_volume_now(r, effect).map(Answer::VolumeAttachment),
            Request::DetachVolume(r) => self.detach_volume_now(r, effect).map(Answer::VolumeAttachment),
            Request::AttachNetworkInterface(r) => self.attach_eni_now(r, effect).map(Answer::Attachment),
            Request::DetachNetworkInterface(r) => self.detach_eni_now(r, effect).map(|()| Answer::Done),
            Request::ModifyNetworkInterfaceAttribute(r) => self.modify_eni_now(r).map(|()| Answer::Done),
            Request::CreateTags(r) => self.create_tags_now(r).map(|()| Answer::Done),
            Request::DeleteTags(r) => self.delete_tags_now(r).map(|()| Answer::Done),
            Request::CreateVolume(r) => self.create_volume_now(r).map(Answer::Volume),
            Request::DeleteVolume(r) => self.delete_volume_now(&r.id).map(|()| Answer::Done),
            Request::CreateNetworkInterface(r) => {
                self.create_eni_now(r).map(|eni| Answer::Eni(Box::new(eni)))
            }
            Request::DeleteNetworkInterface(r) => self.delete_eni_now(&r.id).map(|()| Answer::Done),
            Request::CreateSubnet(r) => self.create_subnet_now(r).map(Answer::Subnet),
            Request::CreateLaunchTemplate(r) => self.create_template_now(r).map(Answer::Template),
            Request::RunInstances(r) => self.run_instances_now(r).map(Answer::Reservation),
            Request::TerminateInstances(r) => self.terminate_instances_now(r).map(Answer::StateChanges),
            Request::RebootInstances(r) => self.reboot_instances_now(r).map(|()| Answer::Done),
            Request::StopInstances(r) => self.stop_instances_now(r).map(Answer::StateChanges),
            Request::StartInstances(r) => self.start_instances_now(r).map(Answer::StateChanges),
            Request::GetConsoleOutput(r) => self.see_console(r).map(Answer::Console),
            Request::DescribeAutoScalingInstances(r) => {
                self.see_group_instances(r).map(Answer::GroupInstances)
            }
            Request::DescribeAutoScalingGroups(r) => self.see_groups(r).map(Answer::Groups),
            Request::SetInstanceHealth(r) => self.set_health_now(r).map(|()| Answer::Done),
            Request::CreateLaunchConfiguration(r) => self.create_configuration_now(r).map(|()| Answer::Done),
            Request::CreateAutoScalingGroup(r) => self.create_group_now(r).map(|()| Answer::Done),
            Request::DeleteAutoScalingGroup(r) => self.delete_group_now(r).map(|()| Answer::Done),
            Request::TerminateInstanceInAutoScalingGroup(r) => {
                self.group_terminate_now(r).map(Answer::Activity)
            }
            Request::SetDesiredCapacity(r) | Request::UpdateAutoScalingGroup(r) => {
                self.set_group_size_now(r).map(|()| Answer::Done)
            }
            Request::EnterStandby(r) => self.enter_standby_now(r).map(Answer::Activities),
            Request::ExitStandby(r) => self.exit_standby_now(r).map(Answer::Activities),
            Request::SuspendProcesses(r) => self.suspend_now(r, true).map(|()| Answer::Done),
            Request::ResumeProcesses(r) => self.suspend_now(r, false).map(|()| Answer::Done),
            Request::PutLifecycleHook(r) => self.put_hook_now(r).map(|()| Answer::Done),
            Request::DescribeLifecycleHooks(r) => self.see_hooks(r).map(Answer::Hooks),
            Request::DeleteLifecycleHook(r) => self.delete_hook_now(r).map(|()| Answer::Done),
            Request::CompleteLifecycleAction(r) => self.complete_action_now(r).map(|()| Answer::Done),
            Request::RecordLifecycleActionHeartbeat(r) => self.heartbeat_now(r).map(|()| Answer::Done),
            Request::StartInstanceRefresh(r) => self.start_refresh_now(r).map(Answer::Refresh),
            Request::CancelInstanceRefresh(r) => self.cancel_refresh_now(r).map(Answer::Refresh),
            Request::DescribeInstanceRefreshes(r) => self.see_refreshes(r).map(Answer::Refreshes),
            Request::SignalResource(r) => self.signal_now(r).map(|()| Answer::Done),
            Request::DescribeStacks(r) => self.see_stacks(r).map(Answer::Stacks),
            Request::DescribeStackResource(r) => self.see_stack_resource(r).map(Answer::StackResource),
        }
    }
}

macro_rules! typed_calls {
    ($($name:ident = $request:ident($type:ty) => $answer:ident -> $out:ty;)*) => {
        /// Typed calls, for use in process.
        impl Region {
            $(
                #[doc = concat!("`", stringify!($request), "`")]
                pub fn $name(&mut self, caller: &Caller, request: $type) -> Result<$out, CallError> {
                    match self.call(caller, Request::$request(request))? {
                        Answer::$answer(answer) => Ok(answer),
                        other => unreachable!("{} answered {other:?}", stringify!($request)),
                    }
                }
            )*
        }
    };
    ($($name:ident = $request:ident($type:ty);)*) => {
        /// Typed calls without an answer.
        impl Region {
            $(
                #[doc = concat!("`", stringify!($request), "`")]
                pub fn $name(&mut self, caller: &Caller, request: $type) -> Result<(), CallError> {
                    self.call(caller, Request::$request(request)).map(|_| ())
                }
            )*
        }
    };
}

typed_calls! {
    describe_instances = DescribeInstances(DescribeRequest) => Instances -> Page<InstanceView>;
    describe_instance_status = DescribeInstanceStatus(DescribeStatusRequest) => Statuses -> Page<InstanceStatusView>;
    describe_volumes = DescribeVolumes(DescribeRequest) => Volumes -> Page<VolumeView>;
    describe_network_interfaces = DescribeNetworkInterfaces(DescribeRequest) => Enis -> Page<EniView>;
    describe_subnets = DescribeSubnets(DescribeRequest) => Subnets -> Page<SubnetView>;
    describe_vpcs = DescribeVpcs(DescribeRequest) => Vpcs -> Page<VpcView>;
    describe_tags = DescribeTags(DescribeRequest) => Tags -> Page<TagDescriptionView>;
    describe_instance_types = DescribeInstanceTypes(DescribeRequest) => Types -> Page<InstanceTypeView>;
    describe_availability_zones = DescribeAvailabilityZones(DescribeRequest) => Zones -> Page<ZoneView>;
    attach_volume = AttachVolume(AttachVolumeRequest) => VolumeAttachment -> VolumeAttachmentView;
    detach_volume = DetachVolume(DetachVolumeRequest) => VolumeAttachment -> VolumeAttachmentView;
    attach_network_interface = AttachNetworkInterface(AttachEniRequest) => Attachment -> AttachedEniView;
    create_volume = CreateVolume(CreateVolumeRequest) => Volume -> VolumeView;
    create_network_interface = CreateNetworkInterface(CreateEniRequest) => Eni -> Box<EniView>;
    create_subnet = CreateSubnet(CreateSubnetRequest) => Subnet -> SubnetView;
    create_launch_template = CreateLaunchTemplate(CreateLaunchRequest) => Template -> TemplateView;
    run_instances = RunInstances(RunInstancesRequest) => Reservation -> Vec<InstanceView>;
    terminate_instances = TerminateInstances(InstancesRequest) => StateChanges -> Vec<StateChangeView>;
    stop_instances = StopInstances(InstancesRequest) => StateChanges -> Vec<StateChangeView>;
    start_instances = StartInstances(InstancesRequest) => StateChanges -> Vec<StateChangeView>;
    get_console_output = GetConsoleOutput(ConsoleRequest) => Console -> ConsoleView;
    describe_auto_scaling_instances =
        DescribeAutoScalingInstances(DescribeGroupsRequest) => GroupInstances -> Page<GroupInstanceView>;
    describe_auto_scaling_groups = DescribeAutoScalingGroups(DescribeGroupsRequest) => Groups -> Page<GroupView>;
    terminate_instance_in_auto_scaling_group =
        TerminateInstanceInAutoScalingGroup(GroupTerminateRequest) => Activity -> ActivityView;
    enter_standby = EnterStandby(StandbyRequest) => Activities -> Vec<ActivityView>;
    exit_standby = ExitStandby(StandbyRequest) => Activities -> Vec<ActivityView>;
    describe_lifecycle_hooks = DescribeLifecycleHooks(DescribeHooksRequest) => Hooks -> Vec<HookView>;
    start_instance_refresh = StartInstanceRefresh(StartRefreshRequest) => Refresh -> String;
    cancel_instance_refresh = CancelInstanceRefresh(CancelRefreshRequest) => Refresh -> String;
    describe_instance_refreshes =
        DescribeInstanceRefreshes(DescribeRefreshesRequest) => Refreshes -> Vec<RefreshView>;
    describe_stacks = DescribeStacks(DescribeStackRequest) => Stacks -> Vec<StackView>;
    describe_stack_resource = DescribeStackResource(DescribeStackRequest) => StackResource -> StackResourceView;
}

typed_calls! {
    detach_network_interface = DetachNetworkInterface(DetachEniRequest);
    modify_network_interface_attribute = ModifyNetworkInterfaceAttribute(ModifyEniRequest);
    create_tags = CreateTags(TagsRequest);
    delete_tags = DeleteTags(TagsRequest);
    delete_volume = DeleteVolume(DeleteRequest);
    delete_network_interface = DeleteNetworkInterface(DeleteRequest);
    reboot_instances = RebootInstances(InstancesRequest);
    set_instance_health = SetInstanceHealth(SetHealthRequest);
    create_launch_configuration = CreateLaunchConfiguration(CreateLaunchRequest);
    create_auto_scaling_group = CreateAutoScalingGroup(CreateGroupRequest);
    delete_auto_scaling_group = DeleteAutoScalingGroup(DeleteGroupRequest);
    set_desired_capacity = SetDesiredCapacity(GroupSizeRequest);
    update_auto_scaling_group = UpdateAutoScalingGroup(GroupSizeRequest);
    suspend_processes = SuspendProcesses(ProcessesRequest);
    resume_processes = ResumeProcesses(ProcessesRequest);
    put_lifecycle_hook = PutLifecycleHook(PutHookRequest);
    delete_lifecycle_hook = DeleteLifecycleHook(HookRequest);
    complete_lifecycle_action = CompleteLifecycleAction(CompleteActionRequest);
    record_lifecycle_action_heartbeat = RecordLifecycleActionHeartbeat(ActionRequest);
    signal_resource = SignalResource(SignalRequest);
}
