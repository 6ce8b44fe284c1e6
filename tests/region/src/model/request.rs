//! The API calls as values: what they are called, what they are called with, what they answer. One enum of requests lets
//! throttling, faults, the journal and late commits treat every call alike.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::hooks::{HookResult, Transition};
use super::spec::{EniSpec, GroupSpec, LaunchData, SubnetSpec, Tags, VolumeSpec};
use super::view::*;

macro_rules! request_struct {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty = $xml:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        #[allow(missing_docs)] // The fields are the words of the API.
        pub struct $name { $(#[serde(rename = $xml)] pub $field: $type),* }
    };
}

request_struct! {
    /// Any describe call of EC2.
    DescribeRequest {
        ids: Vec<String> = "Ids", filters: Vec<(String, Vec<String>)> = "Filters",
        max_results: Option<u32> = "MaxResults", next_token: Option<String> = "NextToken", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// DescribeInstanceStatus.
    DescribeStatusRequest { describe: DescribeRequest = "Describe", all: bool = "IncludeAllInstances" }
}
request_struct! {
    /// AttachVolume.
    AttachVolumeRequest {
        volume: String = "VolumeId", instance: String = "InstanceId", device: String = "Device", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// DetachVolume.
    DetachVolumeRequest {
        volume: String = "VolumeId", instance: Option<String> = "InstanceId", device: Option<String> = "Device",
        force: bool = "Force", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// AttachNetworkInterface.
    AttachEniRequest {
        eni: String = "NetworkInterfaceId", instance: String = "InstanceId", device_index: u32 = "DeviceIndex",
        network_card_index: Option<u32> = "NetworkCardIndex", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// DetachNetworkInterface.
    DetachEniRequest { attachment: String = "AttachmentId", force: bool = "Force", dry_run: bool = "DryRun" }
}
request_struct! {
    /// ModifyNetworkInterfaceAttribute: one attribute a call.
    ModifyEniRequest {
        eni: String = "NetworkInterfaceId", source_dest_check: Option<bool> = "SourceDestCheck",
        delete_on_termination: Option<(String, bool)> = "Attachment", description: Option<String> = "Description",
        groups: Option<Vec<String>> = "Groups", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// CreateTags and DeleteTags; a tag without a value is deleted whatever its value.
    TagsRequest {
        resources: Vec<String> = "Resources", tags: Vec<(String, Option<String>)> = "Tags", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// CreateVolume.
    CreateVolumeRequest { spec: VolumeSpec = "Volume", client_token: Option<String> = "ClientToken", dry_run: bool = "DryRun" }
}
request_struct! {
    /// CreateNetworkInterface.
    CreateEniRequest { spec: EniSpec = "Interface", client_token: Option<String> = "ClientToken", dry_run: bool = "DryRun" }
}
request_struct! {
    /// CreateSubnet.
    CreateSubnetRequest { spec: SubnetSpec = "Subnet", vpc: String = "VpcId", dry_run: bool = "DryRun" }
}
request_struct! {
    /// DeleteVolume, DeleteNetworkInterface.
    DeleteRequest { id: String = "Id", dry_run: bool = "DryRun" }
}
request_struct! {
    /// RunInstances. With a template's name, what `data` leaves out comes from the template.
    RunInstancesRequest {
        data: LaunchData = "Launch", template: Option<String> = "LaunchTemplate", subnet: String = "SubnetId",
        count: u32 = "Count", client_token: Option<String> = "ClientToken", dry_run: bool = "DryRun",
    }
}
request_struct! {
    /// Terminate-, Reboot-, Stop- and StartInstances.
    InstancesRequest { ids: Vec<String> = "InstanceIds", dry_run: bool = "DryRun" }
}
request_struct! {
    /// GetConsoleOutput.
    ConsoleRequest { instance: String = "InstanceId", latest: bool = "Latest", dry_run: bool = "DryRun" }
}
request_struct! {
    /// CreateLaunchTemplate, CreateLaunchConfiguration.
    CreateLaunchRequest { data: LaunchData = "Launch", dry_run: bool = "DryRun" }
}
request_struct! {
    /// CreateAutoScalingGroup. The launch source is named; its data is looked up.
    CreateGroupRequest { spec: GroupSpec = "Group" }
}
request_struct! {
    /// DescribeAutoScalingInstances, DescribeAutoScalingGroups.
    DescribeGroupsRequest {
        names: Vec<String> = "Names", max_records: Option<u32> = "MaxRecords", next_token: Option<String> = "NextToken",
    }
}
request_struct! {
    /// SetInstanceHealth.
    SetHealthRequest {
        instance: String = "InstanceId", health: String = "HealthStatus", respect_grace: bool = "ShouldRespectGracePeriod",
    }
}
request_struct! {
    /// TerminateInstanceInAutoScalingGroup.
    GroupTerminateRequest { instance: String = "InstanceId", decrement: bool = "ShouldDecrementDesiredCapacity" }
}
request_struct! {
    /// SetDesiredCapacity, UpdateAutoScalingGroup.
    GroupSizeRequest {
        group: String = "AutoScalingGroupName", desired: Option<u32> = "DesiredCapacity", min: Option<u32> = "MinSize",
        max: Option<u32> = "MaxSize",
    }
}
request_struct! {
    /// EnterStandby, ExitStandby.
    StandbyRequest {
        group: String = "AutoScalingGroupName", ids: Vec<String> = "InstanceIds",
        decrement: bool = "ShouldDecrementDesiredCapacity",
    }
}
request_struct! {
    /// SuspendProcesses, ResumeProcesses; none named = all.
    ProcessesRequest { group: String = "AutoScalingGroupName", processes: Vec<String> = "ScalingProcesses" }
}
request_struct! {
    /// DeleteAutoScalingGroup.
    DeleteGroupRequest { group: String = "AutoScalingGroupName", force: bool = "ForceDelete" }
}
request_struct! {
    /// PutLifecycleHook. What is absent stays, where the hook is there already.
    PutHookRequest {
        group: String = "AutoScalingGroupName", hook: String = "LifecycleHookName",
        transition: Option<Transition> = "LifecycleTransition", heartbeat: Option<u64> = "HeartbeatTimeout",
        default_result: Option<HookResult> = "DefaultResult", metadata: Option<String> = "NotificationMetadata",
        target: Option<String> = "NotificationTargetARN", role: Option<String> = "RoleARN",
    }
}
request_struct! {
    /// DescribeLifecycleHooks; none named = all.
    DescribeHooksRequest { group: String = "AutoScalingGroupName", hooks: Vec<String> = "LifecycleHookNames" }
}
request_struct! {
    /// DeleteLifecycleHook.
    HookRequest { group: String = "AutoScalingGroupName", hook: String = "LifecycleHookName" }
}
request_struct! {
    /// RecordLifecycleActionHeartbeat: of the action that the instance's id or the token names.
    ActionRequest {
        group: String = "AutoScalingGroupName", hook: String = "LifecycleHookName",
        instance: Option<String> = "InstanceId", token: Option<String> = "LifecycleActionToken",
    }
}
request_struct! {
    /// CompleteLifecycleAction.
    CompleteActionRequest { action: ActionRequest = "Action", result: HookResult = "LifecycleActionResult" }
}
request_struct! {
    /// StartInstanceRefresh.
    StartRefreshRequest {
        group: String = "AutoScalingGroupName", min_healthy: Option<u32> = "MinHealthyPercentage",
        max_healthy: Option<u32> = "MaxHealthyPercentage", warmup: Option<u64> = "InstanceWarmup",
    }
}
request_struct! {
    /// CancelInstanceRefresh.
    CancelRefreshRequest { group: String = "AutoScalingGroupName" }
}
request_struct! {
    /// DescribeInstanceRefreshes; none named = all.
    DescribeRefreshesRequest { group: String = "AutoScalingGroupName", ids: Vec<String> = "InstanceRefreshIds" }
}
request_struct! {
    /// SignalResource.
    SignalRequest {
        stack: String = "StackName", resource: String = "LogicalResourceId", unique_id: String = "UniqueId",
        status: String = "Status",
    }
}
request_struct! {
    /// DescribeStacks, DescribeStackResource.
    DescribeStackRequest { stack: Option<String> = "StackName", resource: Option<String> = "LogicalResourceId" }
}

macro_rules! requests {
    ($($api:literal { $($variant:ident($type:ty)),* $(,)? })*) => {
        /// Any API call.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // Named like the actions.
        pub enum Request { $($($variant($type)),*),* }

        impl Request {
            /// `ec2`, `autoscaling` or `cloudformation`.
            pub fn api(&self) -> &'static str {
                match self { $($(Request::$variant(_) => $api),*),* }
            }

            /// The action, as AWS calls it.
            pub fn action(&self) -> &'static str {
                match self { $($(Request::$variant(_) => stringify!($variant)),*),* }
            }

            fn value(&self) -> Value {
                match self { $($(Request::$variant(inner) => serde_json::to_value(inner)),*),* }.unwrap_or_default()
            }
        }
    };
}

requests! {
    "ec2" {
        DescribeInstances(DescribeRequest), DescribeInstanceStatus(DescribeStatusRequest),
        DescribeVolumes(DescribeRequest), DescribeNetworkInterfaces(DescribeRequest),
        DescribeSubnets(DescribeRequest), DescribeVpcs(DescribeRequest), DescribeTags(DescribeRequest),
        DescribeInstanceTypes(DescribeRequest), DescribeAvailabilityZones(DescribeRequest),
        AttachVolume(AttachVolumeRequest), DetachVolume(DetachVolumeRequest),
        AttachNetworkInterface(AttachEniRequest), DetachNetworkInterface(DetachEniRequest),
        ModifyNetworkInterfaceAttribute(ModifyEniRequest), CreateTags(TagsRequest), DeleteTags(TagsRequest),
        CreateVolume(CreateVolumeRequest), DeleteVolume(DeleteRequest),
        CreateNetworkInterface(CreateEniRequest), DeleteNetworkInterface(DeleteRequest),
        CreateSubnet(CreateSubnetRequest), CreateLaunchTemplate(CreateLaunchRequest),
        RunInstances(RunInstancesRequest), TerminateInstances(InstancesRequest), RebootInstances(InstancesRequest),
        StopInstances(InstancesRequest), StartInstances(InstancesRequest),
        GetConsoleOutput(ConsoleRequest),
    }
    "autoscaling" {
        DescribeAutoScalingInstances(DescribeGroupsRequest), DescribeAutoScalingGroups(DescribeGroupsRequest),
        SetInstanceHealth(SetHealthRequest), CreateLaunchConfiguration(CreateLaunchRequest),
        CreateAutoScalingGroup(CreateGroupRequest), DeleteAutoScalingGroup(DeleteGroupRequest),
        TerminateInstanceInAutoScalingGroup(GroupTerminateRequest), SetDesiredCapacity(GroupSizeRequest),
        UpdateAutoScalingGroup(GroupSizeRequest), EnterStandby(StandbyRequest), ExitStandby(StandbyRequest),
        SuspendProcesses(ProcessesRequest), ResumeProcesses(ProcessesRequest),
        PutLifecycleHook(PutHookRequest), DescribeLifecycleHooks(DescribeHooksRequest),
        DeleteLifecycleHook(HookRequest), CompleteLifecycleAction(CompleteActionRequest),
        RecordLifecycleActionHeartbeat(ActionRequest), StartInstanceRefresh(StartRefreshRequest),
        CancelInstanceRefresh(CancelRefreshRequest), DescribeInstanceRefreshes(DescribeRefreshesRequest),
    }
    "cloudformation" {
        SignalResource(SignalRequest), DescribeStacks(DescribeStackRequest), DescribeStackResource(DescribeStackRequest),
    }
}

impl Request {
    /// The parameters as the journal shows them: absent ones left out, lists joined by commas.
    pub fn params(&self) -> BTreeMap<String, String> {
        let mut params = BTreeMap::new();
        flatten(&self.value(), "", &mut params);
        params
    }

    pub(super) fn dry_run(&self) -> bool {
        let value = self.value();
        let said = |value: &Value| value["DryRun"].as_bool().unwrap_or(false);
        said(&value) || said(&value["Describe"])
    }

    /// Whether the call names filters or asks for pages, which decides its bucket.
    pub(super) fn narrowed(&self) -> bool {
        match self {
            Request::DescribeInstances(describe)
            | Request::DescribeVolumes(describe)
            | Request::DescribeNetworkInterfaces(describe)
            | Request::DescribeInstanceStatus(DescribeStatusRequest { describe, .. }) => {
                !describe.filters.is_empty() || describe.max_results.is_some()
            }
            _ => true,
        }
    }
}

fn flatten(value: &Value, name: &str, into: &mut BTreeMap<String, String>) {
    let mut put = |text: String| into.insert(name.to_owned(), text);
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => drop(put(text.clone())),
        Value::Array(list) if list.is_empty() => {}
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            put(texts.join(","));
        }
        Value::Array(list) => {
            // Filters and tags: pairs of a name and what it is.
            for pair in list {
                match pair.as_array().map(Vec::as_slice) {
                    Some([Value::String(key), inner]) => {
                        let inner = if inner.is_null() { &Value::Bool(true) } else { inner };
                        flatten(inner, &format!("{name}:{key}"), into);
                    }
                    _ => drop(into.insert(name.to_owned(), value.to_string())),
                }
            }
        }
        Value::Object(fields) => {
            for (key, inner) in fields {
                // Requests that hold another one whole.
                let whole = ["", "Describe", "Action"].contains(&name);
                let path = if whole { key.clone() } else { format!("{name}.{key}") };
                flatten(inner, &path, into);
            }
        }
        other => drop(put(other.to_string())),
    }
}

/// What calls answer.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Named like what they hold.
pub enum Answer {
    Done,
    Instances(Page<InstanceView>),
    Statuses(Page<InstanceStatusView>),
    Volumes(Page<VolumeView>),
    Enis(Page<EniView>),
    Subnets(Page<SubnetView>),
    Vpcs(Page<VpcView>),
    Tags(Page<TagDescriptionView>),
    Types(Page<InstanceTypeView>),
    Zones(Page<ZoneView>),
    VolumeAttachment(VolumeAttachmentView),
    Attachment(AttachedEniView),
    Volume(VolumeView),
    Eni(Box<EniView>),
    Subnet(SubnetView),
    Template(TemplateView),
    Reservation(Vec<InstanceView>),
    StateChanges(Vec<StateChangeView>),
    Console(ConsoleView),
    GroupInstances(Page<GroupInstanceView>),
    Groups(Page<GroupView>),
    Activity(ActivityView),
    Activities(Vec<ActivityView>),
    Hooks(Vec<HookView>),
    Refresh(String),
    Refreshes(Vec<RefreshView>),
    Stacks(Vec<StackView>),
    StackResource(StackResourceView),
}

/// Tags as the API takes them.
pub fn tag_pairs(tags: &Tags) -> Vec<(String, Option<String>)> {
    tags.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_shows_parameters_by_their_api_names() {
        let describe = DescribeRequest {
            filters: vec![("tag:berth:cluster".into(), vec!["a".into(), "b".into()])],
            max_results: Some(5),
            ..Default::default()
        };
        let params = Request::DescribeVolumes(describe).params();
        assert_eq!(params["Filters:tag:berth:cluster"], "a,b");
        assert_eq!(params["MaxResults"], "5");
        assert_eq!(params.len(), 2);
        let tags = TagsRequest {
            resources: vec!["vol-1".into()],
            tags: vec![("k".into(), Some("v".into()))],
            dry_run: false,
        };
        assert_eq!(Request::CreateTags(tags).params()["Tags:k"], "v");
    }
}
