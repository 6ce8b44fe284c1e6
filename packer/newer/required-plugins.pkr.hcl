# For Packer 1.7 and later, where the Amazon builder is a plugin. Packer 1.6.6 does not know the block, so this file
# lies outside the folder that is validated. To bake with a newer Packer:
#
#   cp packer/newer/required-plugins.pkr.hcl packer/
#   packer init packer/
#   packer build -var region=... -var berth_binary=... -var kafka_url=... -var kafka_sha512=... packer/
#
# Two settings of the source block are also unknown to 1.6.6; add them to `source "amazon-ebs" "berth_kafka"` there:
#
#   metadata_options {            # IMDSv2 only, for the instance that bakes
#     http_endpoint = "enabled"
#     http_tokens   = "required"
#   }
#   imds_support = "v2.0"         # and as the image's own default
#
# Without them nothing is lost for brokers: the launch template of cloudformation/cluster.yaml requires IMDSv2 itself.
packer {
  required_version = ">= 1.7.0"
  required_plugins {
    amazon = {
      version = ">= 1.2.0"
      source  = "github.com/hashicorp/amazon"
    }
  }
}
