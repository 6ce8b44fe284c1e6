"""The calls that build a world: subnets, instances, volumes, interfaces."""

import base64

from client import QUICK, REGION, ZONE_A, ZONE_B, refused, tags


def test_the_vpc_and_subnets_are_made_and_listed(w):
    w.vpc = w.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    assert w.vpc == w.at["vpc"]
    made = w.ec2.create_subnet(VpcId=w.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=ZONE_A)["Subnet"]
    w.subnet_a = made["SubnetId"]
    made = w.aws("ec2", "create-subnet", "--vpc-id", w.vpc, "--cidr-block", "10.0.2.0/24", "--availability-zone", ZONE_B)
    w.subnet_b = made["Subnet"]["SubnetId"]
    seen = w.ec2.describe_subnets(SubnetIds=[w.subnet_b])["Subnets"][0]
    assert (seen["CidrBlock"], seen["AvailabilityZone"], seen["State"]) == ("10.0.2.0/24", ZONE_B, "available"), seen
    refused("InvalidSubnet.Conflict", w.ec2.create_subnet, VpcId=w.vpc, CidrBlock="10.0.1.0/25", AvailabilityZone=ZONE_A)
    refused("InvalidVpcID.NotFound", w.ec2.create_subnet, VpcId="vpc-00000000", CidrBlock="10.0.9.0/24", AvailabilityZone=ZONE_A)
    refused("InvalidSubnetID.NotFound", w.ec2.describe_subnets, SubnetIds=["subnet-00000000000000000"])
    zones = w.ec2.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == [ZONE_A, ZONE_B], zones


def test_an_instance_runs_and_the_waiter_sees_it(w):
    template = {
        "InstanceType": "m5.large",
        "UserData": base64.b64encode(b"#!/bin/sh\necho from the template\n").decode(),
        "IamInstanceProfile": {"Name": "berth"},
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        "TagSpecifications": tags("instance", role="broker"),
    }
    w.ec2.create_launch_template(LaunchTemplateName="brokers", LaunchTemplateData=template)
    launch = {"LaunchTemplateName": "brokers"}
    refused(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        w.ec2.create_launch_template,
        LaunchTemplateName="brokers",
        LaunchTemplateData=template,
    )
    made = w.ec2.run_instances(
        LaunchTemplate=launch, SubnetId=w.subnet_a, MinCount=1, MaxCount=1, TagSpecifications=tags("instance", Name="one")
    )
    instance = made["Instances"][0]
    w.one = instance["InstanceId"]
    assert (instance["State"], made["OwnerId"]) == ({"Code": 0, "Name": "pending"}, w.at["account"])
    refused(
        "IncorrectState",
        w.ec2.attach_volume,
        VolumeId=w.ec2.describe_volumes()["Volumes"][0]["VolumeId"],
        InstanceId=w.one,
        Device="/dev/sdf",
    )
    made = w.aws("ec2", "run-instances", "--instance-type", "t3.medium", "--subnet-id", w.subnet_a, "--count", "1",
                 "--image-id", "ami-0123456789abcdef0", "--user-data", "#!/bin/sh\n")
    w.two = made["Instances"][0]["InstanceId"]
    w.ec2.get_waiter("instance_running").wait(InstanceIds=[w.one, w.two], WaiterConfig=QUICK)
    seen = w.ec2.describe_instances(InstanceIds=[w.one])["Reservations"][0]["Instances"][0]
    assert seen["Placement"]["AvailabilityZone"] == ZONE_A
    assert {tag["Key"]: tag["Value"] for tag in seen["Tags"]} == {"Name": "one", "role": "broker"}
    assert seen["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert seen["NetworkInterfaces"][0]["Attachment"]["DeviceIndex"] == 0
    assert seen["NetworkInterfaces"][0]["PrivateIpAddress"] == seen["PrivateIpAddress"]
    assert seen["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is True
    by_filter = w.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [w.one, "i-00000000000000000"]}])
    assert len(by_filter["Reservations"]) == 1
    refused("InvalidInstanceID.NotFound", w.ec2.describe_instances, InstanceIds=["i-00000000000000000"])
    refused("InvalidInstanceID.Malformed", w.ec2.describe_instances, InstanceIds=["one"])


def test_volumes_are_made_and_the_waiter_sees_them_available(w):
    made = w.ec2.create_volume(
        AvailabilityZone=ZONE_A,
        Size=4,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=tags("volume", Name="KAFKA-1", berth__cluster="orders", berth__format="xfs"),
    )
    w.volume = made["VolumeId"]
    assert (made["State"], made["Encrypted"], made["Size"]) == ("creating", True, 4), made
    made = w.aws("ec2", "create-volume", "--availability-zone", ZONE_B, "--size", "4", "--volume-type", "gp3",
                 "--tag-specifications", "ResourceType=volume,Tags=[{Key=Name,Value=KAFKA-2},{Key=berth:cluster,Value=orders}]")
    w.volume_b = made["VolumeId"]
    w.ec2.get_waiter("volume_available").wait(VolumeIds=[w.volume, w.volume_b], WaiterConfig=QUICK)
    seen = w.ec2.describe_volumes(
        Filters=[{"Name": "tag:berth:cluster", "Values": ["orders"]}, {"Name": "availability-zone", "Values": [ZONE_A]}]
    )["Volumes"]
    assert [volume["VolumeId"] for volume in seen] == [w.volume]
    assert seen[0]["Attachments"] == [] and seen[0]["MultiAttachEnabled"] is False and seen[0]["SnapshotId"] == ""
    assert seen[0]["CreateTime"].tzinfo is not None
    refused("InvalidZone.NotFound", w.ec2.create_volume, AvailabilityZone=REGION + "f", Size=1)
    refused("InvalidParameterValue", w.ec2.describe_volumes, Filters=[{"Name": "tags", "Values": ["x"]}])


def test_interfaces_are_made_with_their_fixed_address(w):
    made = w.ec2.create_network_interface(
        SubnetId=w.subnet_a,
        PrivateIpAddress="10.0.1.50",
        Description="broker 1",
        Groups=["sg-0123456789abcdef0"],
        TagSpecifications=tags("network-interface", Name="KAFKA-1", berth__cluster="orders"),
    )["NetworkInterface"]
    w.eni = made["NetworkInterfaceId"]
    assert (made["Status"], made["PrivateIpAddress"], made["SubnetId"]) == ("available", "10.0.1.50", w.subnet_a), made
    w.ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[w.eni], WaiterConfig=QUICK)
    made = w.aws("ec2", "create-network-interface", "--subnet-id", w.subnet_b, "--private-ip-address", "10.0.2.50")
    w.eni_b = made["NetworkInterface"]["NetworkInterfaceId"]
    seen = w.ec2.describe_network_interfaces(Filters=[{"Name": "tag:Name", "Values": ["KAFKA-*"]}])["NetworkInterfaces"]
    assert len(seen) == 1 and "Attachment" not in seen[0], seen
    assert {tag["Key"] for tag in seen[0]["TagSet"]} == {"Name", "berth:cluster"}
    assert seen[0]["PrivateIpAddresses"][0] == {"PrivateIpAddress": "10.0.1.50", "Primary": True}
    assert seen[0]["Groups"][0]["GroupId"] == "sg-0123456789abcdef0"
    refused("InvalidIPAddress.InUse", w.ec2.create_network_interface, SubnetId=w.subnet_a, PrivateIpAddress="10.0.1.50")
