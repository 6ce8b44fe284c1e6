"""Auto Scaling and CloudFormation: replacement, health, signals, and signals by identity document."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request

from client import ZONE_A, ZONE_B, refused, until


def in_service(w, group):
    found = w.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]["Instances"]
    return sorted(one["InstanceId"] for one in found if one["LifecycleState"] == "InService")


def test_groups_launch_by_template_and_by_configuration_over_their_zones(w):
    w.asg.create_auto_scaling_group(
        AutoScalingGroupName="brokers",
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=2,
        LaunchTemplate={"LaunchTemplateName": "brokers", "Version": "$Latest"},
        VPCZoneIdentifier=f"{w.subnet_a},{w.subnet_b}",
        HealthCheckGracePeriod=0,
        Tags=[{"Key": "berth:cluster", "Value": "orders", "PropagateAtLaunch": True}],
    )
    w.aws("autoscaling", "create-launch-configuration", "--launch-configuration-name", "old", "--image-id", "ami-1",
          "--instance-type", "m5.large", "--iam-instance-profile", "berth", "--user-data", "#!/bin/sh\n")
    w.aws("autoscaling", "create-auto-scaling-group", "--auto-scaling-group-name", "old", "--min-size", "1", "--max-size",
          "1", "--launch-configuration-name", "old", "--vpc-zone-identifier", w.subnet_a)
    until("two in service", lambda: len(in_service(w, "brokers")), 2)
    until("one in service", lambda: len(in_service(w, "old")), 1)
    w.members = in_service(w, "brokers")
    seen = w.asg.describe_auto_scaling_instances(InstanceIds=[*w.members, "i-00000000000000000"])["AutoScalingInstances"]
    assert {one["AvailabilityZone"] for one in seen} == {ZONE_A, ZONE_B} and len(seen) == 2, seen
    assert {one["HealthStatus"] for one in seen} == {"HEALTHY"} and seen[0]["AutoScalingGroupName"] == "brokers"
    assert seen[0]["LaunchTemplate"]["LaunchTemplateName"] == "brokers"
    by_cli = w.aws("autoscaling", "describe-auto-scaling-instances", "--instance-ids", in_service(w, "old")[0])
    assert by_cli["AutoScalingInstances"][0]["LaunchConfigurationName"] == "old"
    got = {tag["Key"]: tag["Value"] for tag in w.ec2.describe_instances(InstanceIds=w.members[:1])["Reservations"][0]["Instances"][0]["Tags"]}
    assert got["aws:autoscaling:groupName"] == "brokers" and got["berth:cluster"] == "orders" and got["role"] == "broker", got
    refused("AlreadyExists", w.asg.create_auto_scaling_group, AutoScalingGroupName="old", MinSize=0, MaxSize=1,
            LaunchConfigurationName="old", VPCZoneIdentifier=w.subnet_a)
    refused("ValidationError", w.asg.describe_auto_scaling_instances, InstanceIds=["i-00000000000000000"] * 51)
    pages = list(w.asg.get_paginator("describe_auto_scaling_instances").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == 3, len(pages)


def test_an_unhealthy_instance_is_replaced(w):
    gone = w.members[0]
    w.asg.set_instance_health(InstanceId=gone, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    until("a replacement", lambda: (gone in in_service(w, "brokers"), len(in_service(w, "brokers"))), (False, 2))
    refused("ValidationError", w.asg.set_instance_health, InstanceId="i-00000000000000000", HealthStatus="Unhealthy")
    w.control("POST", f"instances/{w.members[1]}/fail")
    until("both replaced", lambda: len(set(in_service(w, "brokers")) - set(w.members)), 2)
    w.members = in_service(w, "brokers")


def test_sizes_standby_and_suspension(w):
    w.asg.set_desired_capacity(AutoScalingGroupName="brokers", DesiredCapacity=3)
    until("three", lambda: len(in_service(w, "brokers")), 3)
    refused("ValidationError", w.asg.set_desired_capacity, AutoScalingGroupName="brokers", DesiredCapacity=9)
    one = in_service(w, "brokers")[0]
    params = {"InstanceIds": [one], "AutoScalingGroupName": "brokers"}
    w.asg.enter_standby(ShouldDecrementDesiredCapacity=True, **params)
    assert w.asg.describe_auto_scaling_instances(InstanceIds=[one])["AutoScalingInstances"][0]["LifecycleState"] == "Standby"
    w.asg.exit_standby(**params)
    w.asg.suspend_processes(AutoScalingGroupName="brokers", ScalingProcesses=["AZRebalance"])
    group = w.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["brokers"])["AutoScalingGroups"][0]
    assert group["SuspendedProcesses"][0]["ProcessName"] == "AZRebalance"
    w.asg.resume_processes(AutoScalingGroupName="brokers")
    done = w.asg.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=True)
    assert done["Activity"]["AutoScalingGroupName"] == "brokers"
    w.asg.delete_auto_scaling_group(AutoScalingGroupName="old", ForceDelete=True)
    until("the old group", lambda: len(w.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["old"])["AutoScalingGroups"]), 0)
    until("two left", lambda: len(in_service(w, "brokers")), 2)
    w.members = in_service(w, "brokers")


def lifecycle(w, instance):
    found = w.asg.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
    return found[0]["LifecycleState"] if found else None


def test_lifecycle_hooks_hold_what_comes_and_what_goes(w):
    launching = {"LifecycleHookName": "up", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "HeartbeatTimeout": 60}
    w.asg.create_auto_scaling_group(
        AutoScalingGroupName="hooked", MinSize=0, MaxSize=1, DesiredCapacity=1, VPCZoneIdentifier=w.subnet_a,
        LaunchTemplate={"LaunchTemplateName": "brokers", "Version": "$Latest"}, LifecycleHookSpecificationList=[launching],
    )
    w.aws("autoscaling", "put-lifecycle-hook", "--auto-scaling-group-name", "hooked", "--lifecycle-hook-name", "down",
          "--lifecycle-transition", "autoscaling:EC2_INSTANCE_TERMINATING", "--default-result", "CONTINUE")
    hooks = {one["LifecycleHookName"]: one for one in w.asg.describe_lifecycle_hooks(AutoScalingGroupName="hooked")["LifecycleHooks"]}
    assert (hooks["up"]["HeartbeatTimeout"], hooks["up"]["GlobalTimeout"], hooks["up"]["DefaultResult"]) == (60, 6000, "ABANDON"), hooks
    assert (hooks["down"]["HeartbeatTimeout"], hooks["down"]["GlobalTimeout"], hooks["down"]["DefaultResult"]) == (3600, 172800, "CONTINUE"), hooks
    members = lambda: w.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["hooked"])["AutoScalingGroups"][0]["Instances"]
    until("it waits", lambda: [one["LifecycleState"] for one in members()], ["Pending:Wait"])
    me = members()[0]["InstanceId"]
    action = {"AutoScalingGroupName": "hooked", "InstanceId": me}
    w.asg.record_lifecycle_action_heartbeat(LifecycleHookName="up", **action)
    w.asg.complete_lifecycle_action(LifecycleHookName="up", LifecycleActionResult="CONTINUE", **action)
    until("it serves", lambda: lifecycle(w, me), "InService")
    error = refused("ValidationError", w.asg.complete_lifecycle_action, LifecycleHookName="up", LifecycleActionResult="CONTINUE", **action)
    assert error["Error"]["Message"] == f"No active Lifecycle Action found with instance ID {me}", error
    refused("ValidationError", w.asg.put_lifecycle_hook, AutoScalingGroupName="hooked", LifecycleHookName="down", HeartbeatTimeout=29)
    w.asg.set_desired_capacity(AutoScalingGroupName="hooked", DesiredCapacity=0)
    until("it waits to go", lambda: lifecycle(w, me), "Terminating:Wait")
    w.aws("autoscaling", "complete-lifecycle-action", "--auto-scaling-group-name", "hooked", "--lifecycle-hook-name", "down",
          "--lifecycle-action-result", "CONTINUE", "--instance-id", me)
    until("it is gone", lambda: lifecycle(w, me), None)
    w.asg.delete_lifecycle_hook(AutoScalingGroupName="hooked", LifecycleHookName="down")
    w.asg.delete_auto_scaling_group(AutoScalingGroupName="hooked")


def test_an_instance_refresh_replaces_every_instance(w):
    w.asg.create_auto_scaling_group(
        AutoScalingGroupName="fresh", MinSize=0, MaxSize=2, DesiredCapacity=2, VPCZoneIdentifier=w.subnet_a,
        LaunchTemplate={"LaunchTemplateName": "brokers", "Version": "$Latest"}, HealthCheckType="EC2,EBS",
        InstanceMaintenancePolicy={"MinHealthyPercentage": 50, "MaxHealthyPercentage": 100},
    )
    until("two in service", lambda: len(in_service(w, "fresh")), 2)
    before = set(in_service(w, "fresh"))
    made = w.asg.start_instance_refresh(AutoScalingGroupName="fresh", Preferences={"InstanceWarmup": 0})["InstanceRefreshId"]
    refused("InstanceRefreshInProgress", w.asg.start_instance_refresh, AutoScalingGroupName="fresh")
    newest = lambda: w.asg.describe_instance_refreshes(AutoScalingGroupName="fresh")["InstanceRefreshes"][0]
    assert newest()["InstanceRefreshId"] == made and newest()["Preferences"]["MinHealthyPercentage"] == 50, newest()
    until("it is done", lambda: newest()["Status"], "Successful")
    assert (newest()["PercentageComplete"], newest()["InstancesToUpdate"]) == (100, 0) and newest()["EndTime"], newest()
    assert not before & set(in_service(w, "fresh"))
    code, error = w.aws("autoscaling", "cancel-instance-refresh", "--auto-scaling-group-name", "fresh", check=False)
    assert code != 0 and "ActiveInstanceRefreshNotFound" in error, error
    w.asg.delete_auto_scaling_group(AutoScalingGroupName="fresh", ForceDelete=True)


def test_signals_complete_a_stack_and_are_refused_after(w):
    w.control("POST", "stacks", {"name": "kafka", "group_logical_id": "Brokers", "group_name": "brokers", "signals": 2, "timeout_ms": 600000})
    signal = {"StackName": "kafka", "LogicalResourceId": "Brokers", "Status": "SUCCESS"}
    w.cfn.signal_resource(UniqueId=w.members[0], **signal)
    assert w.cfn.describe_stacks(StackName="kafka")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    w.aws("cloudformation", "signal-resource", "--stack-name", "kafka", "--logical-resource-id", "Brokers",
          "--unique-id", w.members[1], "--status", "SUCCESS")
    assert w.cfn.describe_stacks(StackName="kafka")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    error = refused("ValidationError", w.cfn.signal_resource, UniqueId=w.members[0], **signal)
    assert error["Error"]["Message"].endswith("is in CREATE_COMPLETE state and cannot be signaled")
    detail = w.cfn.describe_stack_resource(StackName="kafka", LogicalResourceId="Brokers")["StackResourceDetail"]
    assert detail["PhysicalResourceId"] == "brokers", detail
    refused("ValidationError", w.cfn.describe_stacks, StackName="other")


def cfn_v1(w, params, document=None, method="GET"):
    """A signal as the helper scripts send it: status, and the answer parsed as JSON."""
    document = document or w.imds("/latest/dynamic/instance-identity/document")
    signature = w.imds("/latest/dynamic/instance-identity/signature").replace("\n", "")
    identity = base64.b64encode(document.encode()).decode()
    query = urllib.parse.urlencode({"Action": "SignalResource", "ContentType": "JSON", "Version": "2010-05-15", **params})
    headers = {"Accept": "application/json", "Authorization": f"CFN_V1 {identity}:{signature}"}
    url, data = (f"{w.at['api']}/?{query}", None) if method == "GET" else (w.at["api"] + "/", query.encode())
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers, method=method), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_an_instance_signals_by_its_identity_document(w):
    # The metadata speaks of an instance that is tagged for the stack `mine`: it may speak for the stack's group, but only
    # of the group's members.
    me = json.loads(w.imds("/latest/dynamic/instance-identity/document"))["instanceId"]
    signal = {"StackName": "kafka", "LogicalResourceId": "Brokers", "UniqueId": me, "Status": "SUCCESS"}
    status, body = cfn_v1(w, signal)
    assert (status, body["Error"]["Code"]) == (403, "AccessDenied"), body
    w.control("POST", "stacks", {"name": "mine", "group_logical_id": "Me", "group_name": "brokers", "signals": 1, "timeout_ms": 600000})
    signal = {"StackName": "mine", "LogicalResourceId": "Me", "UniqueId": me, "Status": "SUCCESS"}
    status, body = cfn_v1(w, signal)
    assert (status, body["Error"]["Code"]) == (400, "ValidationError") and me in body["Error"]["Message"], body
    signal["UniqueId"] = w.members[0]
    document = w.imds("/latest/dynamic/instance-identity/document")
    status, body = cfn_v1(w, signal, document=document.replace(me, w.members[0]))
    assert (status, body["Error"]["Code"]) == (403, "InvalidClientTokenId"), body
    status, body = cfn_v1(w, signal, document=document + "\n")
    assert status == 200 and body["SignalResourceResponse"]["ResponseMetadata"]["RequestId"], body
    assert w.cfn.describe_stacks(StackName="mine")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    status, body = cfn_v1(w, signal, method="POST")
    assert (status, body["Error"]["Code"], body["Error"]["Type"]) == (400, "ValidationError", "Sender"), body


def test_a_stack_that_is_gone_does_not_exist_to_either_way_of_signalling(w):
    w.control("DELETE", "stacks/mine?retain=true")
    signal = {"StackName": "mine", "LogicalResourceId": "Me", "UniqueId": w.members[0], "Status": "SUCCESS"}
    error = refused("ValidationError", w.cfn.signal_resource, **signal)
    assert error["Error"]["Message"] == "Stack with id mine does not exist", error
    status, body = cfn_v1(w, signal)
    assert (status, body["Error"]["Code"]) == (400, "ValidationError"), body
    assert "does not exist" in body["Error"]["Message"], body
