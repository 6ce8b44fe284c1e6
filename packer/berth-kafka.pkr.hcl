# The image: a plain distribution, Java, Kafka, berth. Nothing in it belongs to one broker: no id, no address, no
# cluster. The same image serves every slot of every cluster; user-data names the cluster, berth finds the rest.
#
# This file keeps to what Packer 1.6.6 parses (the one of Debian 12, with the Amazon builder built in), so that
# `make templates` can validate it offline. Newer Packers also need newer/required-plugins.pkr.hcl; see there.

variable "region" {
  type = string
}

variable "berth_binary" {
  type        = string
  description = "The program made by `make dist`."
}

variable "kafka_url" {
  type        = string
  description = "A Kafka 3.x tarball (Scala 2.13), best from a mirror of yours."
}

variable "kafka_sha512" {
  type        = string
  description = "Its SHA-512, 128 hexadecimal digits, as published beside the tarball."
}

variable "instance_type" {
  type        = string
  description = "Only for the bake. Nitro, since the image is for Nitro instances."
  default     = "m6i.large"
}

variable "source_ami_owner" {
  type    = string
  default = "amazon"
}

variable "source_ami_name" {
  type        = string
  description = "Amazon Linux 2023 by default. Debian 12: debian-12-amd64-*, owner 136693071363."
  default     = "al2023-ami-2023.*-x86_64"
}

variable "ssh_username" {
  type    = string
  default = "ec2-user"
}

source "amazon-ebs" "berth_kafka" {
  region          = var.region
  instance_type   = var.instance_type
  ssh_username    = var.ssh_username
  ami_name        = "berth-kafka-{{timestamp}}"
  ami_description = "Kafka with berth. Holds no identity."
  ena_support     = true
  encrypt_boot    = true

  source_ami_filter {
    filters = {
      name                = var.source_ami_name
      root-device-type    = "ebs"
      virtualization-type = "hvm"
      architecture        = "x86_64"
    }
    owners      = [var.source_ami_owner]
    most_recent = true
  }

  tags = {
    Name           = "berth-kafka"
    source_ami     = "{{ .SourceAMI }}"
    source_ami_tag = "{{ .SourceAMIName }}"
  }
}

build {
  sources = ["source.amazon-ebs.berth_kafka"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/berth-bake"]
  }

  provisioner "file" {
    source      = var.berth_binary
    destination = "/tmp/berth-bake/berth"
  }

  provisioner "file" {
    source      = "${path.root}/../systemd"
    destination = "/tmp/berth-bake"
  }

  provisioner "file" {
    source      = "${path.root}/files"
    destination = "/tmp/berth-bake"
  }

  provisioner "shell" {
    script          = "${path.root}/scripts/install.sh"
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "SOURCE=/tmp/berth-bake",
      "KAFKA_URL=${var.kafka_url}",
      "KAFKA_SHA512=${var.kafka_sha512}",
    ]
  }

  # The next instance of this image is a new machine: cloud-init starts over, ids are made anew.
  provisioner "shell" {
    inline = [
      "rm -rf /tmp/berth-bake",
      "sudo cloud-init clean --logs",
      "sudo truncate -s 0 /etc/machine-id",
    ]
  }
}
