"""The calls of a boot: attach, describe, tag, detach, and what is refused on the way."""

from client import QUICK, ZONE_A, refused, until


def test_a_volume_is_attached_to_one_instance_only(w):
    params = {"VolumeId": w.volume, "InstanceId": w.one, "Device": "/dev/sdf"}
    refused("DryRunOperation", w.ec2.attach_volume, DryRun=True, **params)
    made = w.ec2.attach_volume(**params)
    assert (made["State"], made["InstanceId"], made["Device"]) == ("attaching", w.one, "/dev/sdf"), made
    error = refused("VolumeInUse", w.ec2.attach_volume, VolumeId=w.volume, InstanceId=w.two, Device="/dev/sdf")
    assert error["Error"]["Message"] == f"{w.volume} is already attached to an instance"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    w.ec2.get_waiter("volume_in_use").wait(VolumeIds=[w.volume], WaiterConfig=QUICK)

    def attachment():
        return w.ec2.describe_volumes(VolumeIds=[w.volume])["Volumes"][0]["Attachments"][0]["State"]

    until("the attachment", attachment, "attached")
    refused("InvalidVolume.ZoneMismatch", w.ec2.attach_volume, VolumeId=w.volume_b, InstanceId=w.one, Device="/dev/sdg")
    code, stderr = w.aws("ec2", "attach-volume", "--volume-id", "vol-00000000000000000", "--instance-id", w.one,
                         "--device", "/dev/sdg", check=False)
    assert code != 0 and "InvalidVolume.NotFound" in stderr, stderr
    spare = w.ec2.create_volume(AvailabilityZone=ZONE_A, Size=1)["VolumeId"]
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[spare], WaiterConfig=QUICK)
    error = refused("InvalidParameterValue", w.ec2.attach_volume, VolumeId=spare, InstanceId=w.one, Device="/dev/sdf")
    assert "already in use" in error["Error"]["Message"]
    refused("InvalidParameterValue", w.ec2.attach_volume, VolumeId=spare, InstanceId=w.one, Device="nvme1n1")
    w.ec2.delete_volume(VolumeId=spare)
    refused("InvalidVolume.NotFound", w.ec2.describe_volumes, VolumeIds=[spare])


def test_an_interface_is_attached_at_an_index_of_its_own(w):
    params = {"NetworkInterfaceId": w.eni, "InstanceId": w.one, "DeviceIndex": 1, "NetworkCardIndex": 0}
    answer = w.ec2.attach_network_interface(**params)
    w.attachment = answer["AttachmentId"]
    assert answer["NetworkCardIndex"] == 0, answer
    calls = [entry for entry in w.journal() if entry.get("action") == "AttachNetworkInterface"]
    assert calls[-1]["params"]["NetworkCardIndex"] == "0", calls[-1]
    assert w.attachment.startswith("eni-attach-")
    error = refused("InvalidNetworkInterface.InUse", w.ec2.attach_network_interface, **params)
    assert error["Error"]["Message"] == f"Interface: [{w.eni}] in use."
    refused("InvalidParameterCombination", w.ec2.attach_network_interface, **{**params, "NetworkInterfaceId": w.eni_b})
    spare = w.ec2.create_network_interface(SubnetId=w.subnet_a)["NetworkInterface"]["NetworkInterfaceId"]
    error = refused("InvalidParameterValue", w.ec2.attach_network_interface, **{**params, "NetworkInterfaceId": spare})
    assert "already has an interface attached at device index '1'" in error["Error"]["Message"]
    w.ec2.delete_network_interface(NetworkInterfaceId=spare)

    def seen():
        eni = w.ec2.describe_network_interfaces(NetworkInterfaceIds=[w.eni])["NetworkInterfaces"][0]
        at = eni["Attachment"]
        return eni["Status"], at["Status"], at["InstanceId"], at["DeviceIndex"], at["DeleteOnTermination"]

    until("the attachment", seen, ("in-use", "attached", w.one, 1, False))
    shown = w.ec2.describe_instances(InstanceIds=[w.one])["Reservations"][0]["Instances"][0]
    second = shown["NetworkInterfaces"][1]
    assert (second["NetworkInterfaceId"], second["Attachment"]["AttachmentId"]) == (w.eni, w.attachment)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.eni, SourceDestCheck={"Value": False})
    change = {"AttachmentId": w.attachment, "DeleteOnTermination": False}
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.eni, Attachment=change)
    assert w.ec2.describe_network_interfaces(NetworkInterfaceIds=[w.eni])["NetworkInterfaces"][0]["SourceDestCheck"] is False


def test_tags_are_written_and_deleted(w):
    w.ec2.create_tags(Resources=[w.volume, w.eni], Tags=[{"Key": "berth:format", "Value": "done:xfs:<&>"}])
    w.aws("ec2", "create-tags", "--resources", w.volume, "--tags", "Key=a,Value=b")
    found = w.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [w.volume]}])["Tags"]
    assert {"Key": "berth:format", "Value": "done:xfs:<&>", "ResourceId": w.volume, "ResourceType": "volume"} in found, found
    w.ec2.delete_tags(Resources=[w.volume], Tags=[{"Key": "a"}])
    found = w.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]
    assert found == []
    refused("InvalidVolume.NotFound", w.ec2.create_tags, Resources=["vol-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])


def test_pages_are_followed_by_the_paginators(w):
    more = [w.ec2.create_volume(AvailabilityZone=ZONE_A, Size=1)["VolumeId"] for _ in range(13)]
    pages = list(w.ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 5}))
    ids = [volume["VolumeId"] for page in pages for volume in page["Volumes"]]
    assert len(pages) >= 3 and set(more) < set(ids) and len(ids) == len(set(ids)), [len(page["Volumes"]) for page in pages]
    enis = [w.ec2.create_network_interface(SubnetId=w.subnet_a)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(6)]
    pages = list(w.ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5}))
    ids = [eni["NetworkInterfaceId"] for page in pages for eni in page["NetworkInterfaces"]]
    assert len(pages) >= 2 and set(enis) < set(ids) and len(ids) == len(set(ids))
    refused("InvalidParameterCombination", w.ec2.describe_volumes, VolumeIds=[w.volume], MaxResults=5)
    refused("InvalidParameterValue", w.ec2.describe_volumes, MaxResults=4)
    by_cli = w.aws("ec2", "describe-volumes", "--page-size", "5", "--query", "length(Volumes)")
    assert by_cli == len(w.ec2.describe_volumes()["Volumes"])


def test_detaching_takes_its_time_and_ends_available(w):
    refused("InvalidAttachment.NotFound", w.ec2.detach_volume, VolumeId=w.volume, InstanceId=w.two)
    made = w.ec2.detach_volume(VolumeId=w.volume, InstanceId=w.one)
    assert made["State"] == "detaching", made
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[w.volume], WaiterConfig=QUICK)
    refused("IncorrectState", w.ec2.detach_volume, VolumeId=w.volume)
    w.aws("ec2", "detach-network-interface", "--attachment-id", w.attachment)
    w.ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[w.eni], WaiterConfig=QUICK)
    refused("InvalidAttachmentID.NotFound", w.ec2.detach_network_interface, AttachmentId=w.attachment)
    primary = w.ec2.describe_instances(InstanceIds=[w.one])["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0]
    attachment = primary["Attachment"]["AttachmentId"]
    refused("OperationNotPermitted", w.ec2.detach_network_interface, AttachmentId=attachment)


def test_a_terminating_instance_keeps_its_volume_until_the_end(w):
    w.ec2.attach_volume(VolumeId=w.volume, InstanceId=w.two, Device="/dev/sdf")
    changes = w.ec2.terminate_instances(InstanceIds=[w.two])["TerminatingInstances"]
    assert changes[0]["CurrentState"]["Name"] == "shutting-down" and changes[0]["PreviousState"]["Name"] == "running"
    refused("IncorrectInstanceState", w.ec2.detach_volume, VolumeId=w.volume, InstanceId=w.two)
    assert w.ec2.describe_volumes(VolumeIds=[w.volume])["Volumes"][0]["State"] == "in-use"
    w.ec2.get_waiter("instance_terminated").wait(InstanceIds=[w.two], WaiterConfig=QUICK)
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[w.volume], WaiterConfig=QUICK)
    refused("IncorrectState", w.ec2.attach_volume, VolumeId=w.volume, InstanceId=w.two, Device="/dev/sdf")


def test_stop_start_and_status_checks(w):
    made = w.ec2.run_instances(SubnetId=w.subnet_a, MinCount=2, MaxCount=2, InstanceType="t3.small", ImageId="ami-1")
    ids = [instance["InstanceId"] for instance in made["Instances"]]
    w.ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=QUICK)
    together = w.ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert len(together) == 1 and len(together[0]["Instances"]) == 2
    status = w.ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"]
    assert {one["InstanceStatus"]["Status"] for one in status} == {"ok"}
    w.ec2.reboot_instances(InstanceIds=ids)
    w.ec2.stop_instances(InstanceIds=ids)
    w.ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig=QUICK)
    assert w.ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"] == []
    assert len(w.ec2.describe_instance_status(InstanceIds=ids, IncludeAllInstances=True)["InstanceStatuses"]) == 2
    w.ec2.start_instances(InstanceIds=ids)
    w.ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=QUICK)
    w.ec2.terminate_instances(InstanceIds=ids)
    w.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=QUICK)
    types = w.ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"][0]
    assert (types["Hypervisor"], types["NetworkInfo"]["MaximumNetworkInterfaces"]) == ("nitro", 3), types
    refused("InvalidInstanceType", w.ec2.run_instances, SubnetId=w.subnet_a, MinCount=1, MaxCount=1, InstanceType="x9.huge", ImageId="ami-1")


def test_what_ec2_says_of_an_instance_is_parsed(w):
    me = w.ec2.run_instances(SubnetId=w.subnet_a, MinCount=1, MaxCount=1, InstanceType="t3.small", ImageId="ami-1")["Instances"][0]["InstanceId"]
    w.ec2.get_waiter("instance_running").wait(InstanceIds=[me], WaiterConfig=QUICK)
    assert "Output" not in w.ec2.get_console_output(InstanceId=me, Latest=True) or not w.ec2.get_console_output(InstanceId=me, Latest=True)["Output"]
    w.control("POST", f"instances/{me}/console", "berth ready")
    assert "berth ready" in w.ec2.get_console_output(InstanceId=me, Latest=True)["Output"]
    assert "berth ready" in w.aws("ec2", "get-console-output", "--instance-id", me, "--latest")["Output"]
    w.control("POST", f"instances/{me}/checks", {"ebs": "impaired"})
    w.control("POST", f"instances/{me}/events", {"code": "instance-reboot", "description": "soon", "in_ms": 3600000, "for_ms": 60000})
    status = w.ec2.describe_instance_status(InstanceIds=[me])["InstanceStatuses"][0]
    assert (status["AttachedEbsStatus"]["Status"], status["InstanceStatus"]["Status"]) == ("impaired", "ok"), status
    detail = status["AttachedEbsStatus"]["Details"][0]
    assert (detail["Name"], detail["Status"]) == ("reachability", "failed") and detail["ImpairedSince"], detail
    event = status["Events"][0]
    assert (event["Code"], event["Description"]) == ("instance-reboot", "soon") and event["NotBefore"] < event["NotAfter"], event
    w.control("DELETE", f"instances/{me}/events/{event['InstanceEventId']}")
    status = w.ec2.describe_instance_status(InstanceIds=[me])["InstanceStatuses"][0]
    assert status["Events"][0]["Description"] == "[Canceled] soon", status
    w.ec2.terminate_instances(InstanceIds=[me])
