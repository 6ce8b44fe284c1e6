//! Auto Scaling on the wire.

use serde_json::{Value, json};

use crate::model::sources::HOOK_PARAMETER;
use crate::model::{
    ActionRequest, Answer, CancelRefreshRequest, CompleteActionRequest, CreateGroupRequest,
    CreateLaunchRequest, DeleteGroupRequest, DescribeGroupsRequest, DescribeHooksRequest,
    DescribeRefreshesRequest, GroupSizeRequest, GroupSpec, GroupTerminateRequest, HookRequest, HookSpec,
    LaunchData, LaunchSource, Maintenance, ProcessesRequest, PutHookRequest, Refusal, Request,
    SetHealthRequest, StandbyRequest, StartRefreshRequest,
};

use super::Params;
use super::ec2::{profile, user_data};

pub(super) fn request(params: &Params) -> Result<Option<Request>, Refusal> {
    let describe = |names: &str| -> Result<DescribeGroupsRequest, Refusal> {
        Ok(DescribeGroupsRequest {
            names: params.list(names),
            max_records: params.number("MaxRecords")?,
            next_token: params.text("NextToken"),
        })
    };
    let group = || params.required("AutoScalingGroupName");
    let size = || -> Result<GroupSizeRequest, Refusal> {
        Ok(GroupSizeRequest {
            group: group()?,
            desired: params.number("DesiredCapacity")?,
            min: params.number("MinSize")?,
            max: params.number("MaxSize")?,
        })
    };
    let standby = || -> Result<StandbyRequest, Refusal> {
        Ok(StandbyRequest {
            group: group()?,
            ids: params.list("InstanceIds"),
            decrement: params.flag("ShouldDecrementDesiredCapacity")?,
        })
    };
    let processes = || -> Result<ProcessesRequest, Refusal> {
        Ok(ProcessesRequest { group: group()?, processes: params.list("ScalingProcesses") })
    };
    Ok(Some(match params.action() {
        "DescribeAutoScalingInstances" => Request::DescribeAutoScalingInstances(describe("InstanceIds")?),
        "DescribeAutoScalingGroups" => Request::DescribeAutoScalingGroups(describe("AutoScalingGroupNames")?),
        "SetInstanceHealth" => Request::SetInstanceHealth(SetHealthRequest {
            instance: params.required("InstanceId")?,
            health: params.required("HealthStatus")?,
            respect_grace: params.boolean("ShouldRespectGracePeriod")?.unwrap_or(true),
        }),
        "CreateLaunchConfiguration" => Request::CreateLaunchConfiguration(CreateLaunchRequest {
            data: configuration(params)?,
            dry_run: false,
        }),
        "CreateAutoScalingGroup" => {
            Request::CreateAutoScalingGroup(CreateGroupRequest { spec: group_spec(params)? })
        }
        "DeleteAutoScalingGroup" => Request::DeleteAutoScalingGroup(DeleteGroupRequest {
            group: group()?,
            force: params.flag("ForceDelete")?,
        }),
        "TerminateInstanceInAutoScalingGroup" => {
            Request::TerminateInstanceInAutoScalingGroup(GroupTerminateRequest {
                instance: params.required("InstanceId")?,
                decrement: params.flag("ShouldDecrementDesiredCapacity")?,
            })
        }
        "SetDesiredCapacity" => Request::SetDesiredCapacity(size()?),
        "UpdateAutoScalingGroup" => Request::UpdateAutoScalingGroup(size()?),
        "EnterStandby" => Request::EnterStandby(standby()?),
        "ExitStandby" => Request::ExitStandby(standby()?),
        "SuspendProcesses" => Request::SuspendProcesses(processes()?),
        "StartInstanceRefresh" => {
            let preferences = params.inner("Preferences");
            Request::StartInstanceRefresh(StartRefreshRequest {
                group: group()?,
                min_healthy: preferences.number("MinHealthyPercentage")?,
                max_healthy: preferences.number("MaxHealthyPercentage")?,
                warmup: preferences.number("InstanceWarmup")?,
            })
        }
        "CancelInstanceRefresh" => Request::CancelInstanceRefresh(CancelRefreshRequest { group: group()? }),
        "DescribeInstanceRefreshes" => Request::DescribeInstanceRefreshes(DescribeRefreshesRequest {
            group: group()?,
            ids: params.list("InstanceRefreshIds"),
        }),
        "PutLifecycleHook" => Request::PutLifecycleHook(put_hook(params)?),
        "DescribeLifecycleHooks" => Request::DescribeLifecycleHooks(DescribeHooksRequest {
            group: group()?,
            hooks: params.list("LifecycleHookNames"),
        }),
        "DeleteLifecycleHook" => Request::DeleteLifecycleHook(HookRequest {
            group: group()?,
            hook: params.required("LifecycleHookName")?,
        }),
        "CompleteLifecycleAction" => Request::CompleteLifecycleAction(CompleteActionRequest {
            action: action(params)?,
            result: params.required("LifecycleActionResult").and_then(|word| said(&word))?,
        }),
        "RecordLifecycleActionHeartbeat" => Request::RecordLifecycleActionHeartbeat(action(params)?),
        "ResumeProcesses" => Request::ResumeProcesses(processes()?),
        _ => return Ok(None),
    }))
}

/// A word of the API as the value it stands for.
fn said<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, Refusal> {
    serde_json::from_value(Value::from(word)).map_err(|_| {
        let message =
            format!("Value '{word}' failed to satisfy the constraint: member must be one of the API's words");
        Refusal::of(&HOOK_PARAMETER, message)
    })
}

fn put_hook(params: &Params) -> Result<PutHookRequest, Refusal> {
    let word = |name: &str| params.text(name);
    Ok(PutHookRequest {
        group: params.text("AutoScalingGroupName").unwrap_or_default(),
        hook: params.required("LifecycleHookName")?,
        transition: word("LifecycleTransition").map(|word| said(&word)).transpose()?,
        heartbeat: params.number("HeartbeatTimeout")?,
        default_result: word("DefaultResult").map(|word| said(&word)).transpose()?,
        metadata: word("NotificationMetadata"),
        target: word("NotificationTargetARN"),
        role: word("RoleARN"),
    })
}

/// A hook of a new group.
fn hook_spec(params: &Params) -> Result<HookSpec, Refusal> {
    let hook = put_hook(params)?;
    let transition = params.required("LifecycleTransition").and_then(|word| said(&word))?;
    let plain = HookSpec::new(&hook.hook, transition);
    Ok(HookSpec {
        heartbeat: hook.heartbeat.map_or(plain.heartbeat, |seconds| seconds.saturating_mul(1_000)),
        default_result: hook.default_result.unwrap_or_default(),
        metadata: hook.metadata,
        target: hook.target,
        role: hook.role,
        ..plain
    })
}

fn action(params: &Params) -> Result<ActionRequest, Refusal> {
    Ok(ActionRequest {
        group: params.required("AutoScalingGroupName")?,
        hook: params.required("LifecycleHookName")?,
        instance: params.text("InstanceId"),
        token: params.text("LifecycleActionToken"),
    })
}

/// API reference, InstanceMaintenancePolicy: both or none.
fn maintenance(policy: &Params) -> Result<Option<Maintenance>, Refusal> {
    let Some(min_healthy) = policy.number("MinHealthyPercentage")? else { return Ok(None) };
    let max_healthy = policy.number("MaxHealthyPercentage")?;
    let max_healthy = max_healthy.map_or_else(|| policy.required("MaxHealthyPercentage").map(|_| 100), Ok)?;
    Ok(Some(Maintenance { min_healthy, max_healthy }))
}

fn configuration(params: &Params) -> Result<LaunchData, Refusal> {
    let plain = LaunchData::default();
    Ok(LaunchData {
        name: params.required("LaunchConfigurationName")?,
        instance_type: params.text("InstanceType").unwrap_or(plain.instance_type),
        user_data: user_data(params)?,
        profile: params.text("IamInstanceProfile").map(|name| profile(&name)),
        groups: params.list("SecurityGroups"),
        image: params.text("ImageId").unwrap_or(plain.image),
        ..plain
    })
}

fn group_spec(params: &Params) -> Result<GroupSpec, Refusal> {
    let template = params.inner("LaunchTemplate");
    let named = |name: String| LaunchData { name, ..LaunchData::default() };
    let launch = match params.text("LaunchConfigurationName") {
        Some(name) => LaunchSource::Configuration(named(name)),
        None => {
            let by_id = template.text("LaunchTemplateId");
            let name = template.text("LaunchTemplateName").or(by_id);
            LaunchSource::Template(named(name.map_or_else(|| template.required("LaunchTemplateName"), Ok)?))
        }
    };
    let min = params.number("MinSize")?.unwrap_or(0);
    Ok(GroupSpec {
        name: params.required("AutoScalingGroupName")?,
        min,
        max: params.number("MaxSize")?.unwrap_or(min),
        desired: params.number("DesiredCapacity")?.unwrap_or(min),
        subnets: params
            .text("VPCZoneIdentifier")
            .map(|list| list.split(',').map(|id| id.trim().to_owned()).collect())
            .unwrap_or_default(),
        launch,
        tags: params
            .structs("Tags")
            .iter()
            .filter_map(|tag| Some((tag.text("Key")?, tag.text("Value").unwrap_or_default())))
            .collect(),
        maintenance: maintenance(&params.inner("InstanceMaintenancePolicy"))?,
        health_check_type: params.text("HealthCheckType").unwrap_or_default(),
        hooks: params
            .structs("LifecycleHookSpecificationList")
            .iter()
            .map(hook_spec)
            .collect::<Result<_, Refusal>>()?,
        health_check_grace: params.number::<u64>("HealthCheckGracePeriod")?.unwrap_or(0) * 1_000,
        ..GroupSpec::default()
    })
}

pub(super) fn body(answer: Answer) -> Value {
    match answer {
        Answer::GroupInstances(page) => {
            json!({ "AutoScalingInstances": page.items, "NextToken": page.next_token })
        }
        Answer::Groups(page) => json!({ "AutoScalingGroups": page.items, "NextToken": page.next_token }),
        Answer::Refresh(id) => json!({ "InstanceRefreshId": id }),
        Answer::Refreshes(refreshes) => json!({ "InstanceRefreshes": refreshes }),
        Answer::Hooks(hooks) => json!({ "LifecycleHooks": hooks }),
        Answer::Activity(activity) => json!({ "Activity": activity }),
        Answer::Activities(activities) => json!({ "Activities": activities }),
        _ => json!({}),
    }
}
