//! What Auto Scaling shows.

use serde::Serialize;

view! {
    /// A launch template as a group names it.
    GroupTemplateView { id: String = "LaunchTemplateId", name: String = "LaunchTemplateName", version: String = "Version" }
}

view! {
    /// An instance as Auto Scaling shows it; inside its group the group's name is not said again.
    GroupInstanceView {
        instance: String = "InstanceId", instance_type: String = "InstanceType",
        #[serde(skip_serializing_if = "Option::is_none")] group: Option<String> = "AutoScalingGroupName",
        zone: String = "AvailabilityZone", lifecycle: String = "LifecycleState", health: String = "HealthStatus",
        #[serde(skip_serializing_if = "Option::is_none")] configuration: Option<String> = "LaunchConfigurationName",
        #[serde(skip_serializing_if = "Option::is_none")] template: Option<GroupTemplateView> = "LaunchTemplate",
        protected: bool = "ProtectedFromScaleIn",
    }
}

view! {
    /// A tag of a group.
    GroupTagView {
        resource: String = "ResourceId", resource_type: String = "ResourceType", key: String = "Key", value: String = "Value",
        propagate: bool = "PropagateAtLaunch",
    }
}

view! {
    /// A suspended process.
    SuspendedView { process: String = "ProcessName", reason: String = "SuspensionReason" }
}

view! {
    /// A group.
    GroupView {
        name: String = "AutoScalingGroupName", arn: String = "AutoScalingGroupARN",
        #[serde(skip_serializing_if = "Option::is_none")] configuration: Option<String> = "LaunchConfigurationName",
        #[serde(skip_serializing_if = "Option::is_none")] template: Option<GroupTemplateView> = "LaunchTemplate",
        min: u32 = "MinSize", max: u32 = "MaxSize", desired: u32 = "DesiredCapacity", cooldown: u32 = "DefaultCooldown",
        zones: Vec<String> = "AvailabilityZones", health_check_type: String = "HealthCheckType",
        grace: u64 = "HealthCheckGracePeriod", instances: Vec<GroupInstanceView> = "Instances",
        created: String = "CreatedTime", suspended: Vec<SuspendedView> = "SuspendedProcesses",
        subnets: String = "VPCZoneIdentifier", tags: Vec<GroupTagView> = "Tags",
        #[serde(skip_serializing_if = "Option::is_none")] status: Option<String> = "Status",
    }
}

view! {
    /// An activity of a group.
    ActivityView {
        id: String = "ActivityId", group: String = "AutoScalingGroupName", description: String = "Description",
        cause: String = "Cause", start: String = "StartTime", status: String = "StatusCode", progress: u32 = "Progress",
    }
}

view! {
    /// A lifecycle hook; its times in seconds.
    HookView {
        name: String = "LifecycleHookName", group: String = "AutoScalingGroupName",
        transition: String = "LifecycleTransition",
        #[serde(skip_serializing_if = "Option::is_none")] target: Option<String> = "NotificationTargetARN",
        #[serde(skip_serializing_if = "Option::is_none")] role: Option<String> = "RoleARN",
        #[serde(skip_serializing_if = "Option::is_none")] metadata: Option<String> = "NotificationMetadata",
        heartbeat: u64 = "HeartbeatTimeout", global_timeout: u64 = "GlobalTimeout",
        default_result: String = "DefaultResult",
    }
}

view! {
    /// How an instance refresh goes about it.
    PreferencesView {
        min_healthy: u32 = "MinHealthyPercentage", max_healthy: u32 = "MaxHealthyPercentage", warmup: u64 = "InstanceWarmup",
    }
}

view! {
    /// An instance refresh.
    RefreshView {
        id: String = "InstanceRefreshId", group: String = "AutoScalingGroupName", status: String = "Status",
        #[serde(skip_serializing_if = "Option::is_none")] reason: Option<String> = "StatusReason",
        started: String = "StartTime", #[serde(skip_serializing_if = "Option::is_none")] ended: Option<String> = "EndTime",
        percent: usize = "PercentageComplete", left: usize = "InstancesToUpdate",
        preferences: PreferencesView = "Preferences",
    }
}
