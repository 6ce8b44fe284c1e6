"""Authorization, injected faults as a client meets them, and the journal."""

import json
import time
import urllib.error
import urllib.request

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, WaiterError

from client import QUICK, ZONE_A, refused


def test_wrong_and_unknown_keys_are_refused_by_each_api(w):
    wrong = {"secret": "not the secret"}
    refused("AuthFailure", w.client("ec2", **wrong).describe_volumes)
    refused("SignatureDoesNotMatch", w.client("autoscaling", **wrong).describe_auto_scaling_groups)
    refused("SignatureDoesNotMatch", w.client("cloudformation", **wrong).describe_stacks)
    refused("AuthFailure", w.client("ec2", key="AKIAUNKNOWN").describe_volumes)
    refused("InvalidClientTokenId", w.client("cloudformation", key="AKIAUNKNOWN").describe_stacks)
    refused("AuthFailure", w.client("ec2", region="us-east-1").describe_volumes)
    refused("InvalidAction", w.ec2.describe_images)
    outcomes = [entry["outcome"] for entry in w.journal() if entry["event"] == "call"]
    assert outcomes.count("AuthFailure") == 3 and outcomes.count("SignatureDoesNotMatch") == 2, outcomes
    code, stderr = w.aws("ec2", "describe-volumes", check=False, secret="not the secret")
    assert code != 0 and "AuthFailure" in stderr, stderr
    with_no_signature = urllib.request.Request(w.at["api"] + "/?Action=DescribeVolumes&Version=2016-11-15")
    try:
        urllib.request.urlopen(with_no_signature, timeout=10)
        raise AssertionError("an unsigned request was answered")
    except urllib.error.HTTPError as error:
        assert error.code == 403 and b"MissingAuthenticationToken" in error.read()


def test_an_instance_calls_with_the_credentials_of_its_metadata(w):
    role = w.imds("/latest/meta-data/iam/security-credentials/")
    found = json.loads(w.imds(f"/latest/meta-data/iam/security-credentials/{role}"))
    me = w.imds("/latest/meta-data/instance-id")
    key, secret, token = found["AccessKeyId"], found["SecretAccessKey"], found["Token"]
    client = w.client("ec2", key=key, secret=secret, token=token)
    assert client.describe_instances(InstanceIds=[me])["Reservations"]
    call = [entry for entry in w.journal() if entry["event"] == "call" and entry["action"] == "DescribeInstances"][-1]
    assert call["caller"] == me, call
    refused("AuthFailure", w.client("ec2", key=key, secret=secret).describe_volumes)
    refused("AuthFailure", w.client("ec2", key=key, secret=secret, token="another").describe_volumes)


def test_faults_reach_the_caller_as_aws_would_send_them(w):
    spare = w.ec2.create_volume(AvailabilityZone=ZONE_A, Size=1)["VolumeId"]
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[spare], WaiterConfig=QUICK)
    for kind, code, status in [
        ("throttle", "RequestLimitExceeded", 503),
        ("server-error", "InternalError", 500),
        ("unavailable", "Unavailable", 503),
        ("unauthorized", "UnauthorizedOperation", 403),
        ("bad-credentials", "AuthFailure", 401),
        ("expired", "RequestExpired", 400),
    ]:
        w.fault(action="DescribeVolumes", count=1, kind=kind)
        error = refused(code, w.ec2.describe_volumes)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status
    w.fault(action="DescribeVolumes", count=1, kind="throttle")
    assert w.client("ec2", attempts=3).describe_volumes()["ResponseMetadata"]["RetryAttempts"] == 1
    w.fault(action="DescribeVolumes", count=1, kind="reset")
    try:
        w.ec2.describe_volumes()
        raise AssertionError("a reset connection gave an answer")
    except (ConnectionClosedError, EndpointConnectionError):
        pass
    w.fault(action="AttachVolume", resource=spare, count=1, kind="lost-reply")
    try:
        w.ec2.attach_volume(VolumeId=spare, InstanceId=w.one, Device="/dev/sdp")
        raise AssertionError("a lost reply arrived")
    except (ConnectionClosedError, EndpointConnectionError):
        pass
    at = w.ec2.describe_volumes(VolumeIds=[spare])["Volumes"][0]["Attachments"]
    assert at[0]["InstanceId"] == w.one, "the call whose reply was lost was not carried out"
    w.fault(action="DescribeVolumes", count=1, kind={"slow": 300})
    began = time.monotonic()
    w.ec2.describe_volumes()
    assert time.monotonic() - began >= 0.3
    w.control("DELETE", "faults")


def test_what_is_spoiled_is_shown_and_refused(w):
    spare = w.ec2.create_volume(AvailabilityZone=ZONE_A, Size=1)["VolumeId"]
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[spare], WaiterConfig=QUICK)
    attach = {"VolumeId": spare, "InstanceId": w.one, "Device": "/dev/sdm"}
    for state in ["creating", "deleting", "error"]:
        w.control("POST", f"volumes/{spare}", {"state": state})
        assert w.ec2.describe_volumes(VolumeIds=[spare])["Volumes"][0]["State"] == state
        refused("IncorrectState", w.ec2.attach_volume, **attach)
    w.control("POST", f"volumes/{spare}", {"state": "available", "key": "disabled"})
    refused("CustomerKeyHasBeenRevoked", w.ec2.attach_volume, **attach)
    eni = w.ec2.create_network_interface(SubnetId=w.subnet_a)["NetworkInterface"]["NetworkInterfaceId"]
    w.control("POST", f"enis/{eni}", {"requester_managed": True, "interface_type": "lambda", "status": "pending"})
    seen = w.ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]
    assert (seen["RequesterManaged"], seen["InterfaceType"], seen["Status"]) == (True, "lambda", "pending"), seen
    at = {"NetworkInterfaceId": eni, "InstanceId": w.one, "DeviceIndex": 2, "NetworkCardIndex": 0}
    refused("AuthFailure", w.ec2.attach_network_interface, **at)
    w.control("POST", f"enis/{eni}", {"requester_managed": False, "interface_type": "interface", "status": "available"})
    attachment = w.ec2.attach_network_interface(**at)["AttachmentId"]
    w.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=eni, Attachment={"AttachmentId": attachment, "DeleteOnTermination": True}
    )
    seen = w.ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]
    assert seen["Attachment"]["DeleteOnTermination"] is True, seen
    w.ec2.detach_network_interface(AttachmentId=attachment)
    w.fault(action="SetInstanceHealth", count=1, kind="contention")
    error = refused("ResourceContention", w.asg.set_instance_health, InstanceId=w.one, HealthStatus="Unhealthy")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "pending update" in error["Error"]["Message"], error
    w.fault(api="imds", action="GET /latest/meta-data/placement/region", count=1, kind="html")
    assert "<html" in w.imds("/latest/meta-data/placement/region")
    assert w.imds("/latest/meta-data/placement/region") == "eu-central-1"


def test_the_waiters_of_boto3_fail_on_what_never_comes(w):
    w.fault(action="AttachVolume", count=1, kind="stuck-attaching")
    stuck = w.ec2.create_volume(AvailabilityZone=ZONE_A, Size=1)["VolumeId"]
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[stuck], WaiterConfig=QUICK)
    w.ec2.attach_volume(VolumeId=stuck, InstanceId=w.one, Device="/dev/sdo")
    try:
        w.ec2.get_waiter("volume_available").wait(VolumeIds=[stuck], WaiterConfig={"Delay": 0.05, "MaxAttempts": 3})
        raise AssertionError("a stuck volume became available")
    except WaiterError:
        pass


def test_the_journal_tells_it_all_in_order(w):
    journal = w.journal()
    assert [entry["seq"] for entry in journal] == list(range(len(journal)))
    assert all(before["at"] <= after["at"] for before, after in zip(journal, journal[1:]))
    kinds = {entry["event"] for entry in journal}
    assert {"call", "instance-launched", "volume-attached", "eni-attached", "signal", "stack-status", "health-set"} <= kinds, kinds
    actions = {entry["action"] for entry in journal if entry["event"] == "call"}
    used_by_berth = {
        "DescribeInstances", "DescribeVolumes", "DescribeNetworkInterfaces", "DescribeSubnets", "AttachVolume",
        "DetachVolume", "AttachNetworkInterface", "DetachNetworkInterface", "CreateTags", "DescribeAutoScalingInstances",
        "SetInstanceHealth", "SignalResource",
    }
    assert used_by_berth <= actions, used_by_berth - actions
