//! Where each refusal and each delay of the region comes from: a page of the AWS documentation, a public issue in which
//! it was seen, or the word `assumed`. `region sources` prints this; what is assumed waits for a real account.

use std::fmt;

/// Where a behaviour was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// The page of an action in the service's API reference.
    Api(&'static str),
    /// "Error codes for the Amazon EC2 API".
    ErrorCodes,
    /// "Request throttling for the Amazon EC2 API".
    Throttling,
    /// "Common errors" of the query services.
    CommonErrors,
    /// A page of a user guide.
    Guide(&'static str),
    /// A public issue, `owner/repository#number`, or public code.
    Issue(&'static str),
    /// Nobody's word yet; what exactly is assumed.
    Assumed(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Api(action) => write!(out, "API reference, {action}"),
            Source::ErrorCodes => write!(out, "Error codes for the Amazon EC2 API"),
            Source::Throttling => write!(out, "Request throttling for the Amazon EC2 API"),
            Source::CommonErrors => write!(out, "API reference, Common Errors"),
            Source::Guide(page) => write!(out, "{page}"),
            Source::Issue(issue) => write!(out, "seen in {issue}"),
            Source::Assumed(what) => write!(out, "assumed: {what}"),
        }
    }
}

/// One refusal that the region knows.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The error code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// When it is given.
    pub when: &'static str,
    /// Where this was read.
    pub source: Source,
}

macro_rules! rules {
    ($($name:ident = $code:literal, $status:literal, $when:literal, $source:expr;)*) => {
        $(pub(crate) const $name: Rule = Rule { code: $code, status: $status, when: $when, source: $source };)*
        /// Every refusal of the region.
        pub const REFUSALS: &[Rule] = &[$($name),*];
    };
}

use Source::*;

rules! {
    // Authorization and rates
    AUTH_FAILURE = "AuthFailure", 401, "EC2: unknown key, wrong signature or wrong session token; injected", Issue("aws/aws-sdk-java-v2#2981; the code: error codes page");
    EC2_EXPIRED = "RequestExpired", 400, "EC2: the signature's time is too far off, or the session has expired; injected", Issue("aws/aws-sdk-java#1443; the code: error codes page");
    EC2_UNSIGNED = "MissingAuthenticationToken", 403, "a request without a signature", CommonErrors;
    UNAUTHORIZED = "UnauthorizedOperation", 403, "EC2: injected missing permission", Issue("aws/karpenter-provider-aws#1775, hashicorp/terraform-provider-aws#35639 (the words); the code: error codes page");
    ACCESS_DENIED = "AccessDenied", 403, "query services: injected missing permission; CFN_V1 for a stack that is not the instance's", CommonErrors;
    QUERY_UNKNOWN_KEY = "InvalidClientTokenId", 403, "query services: unknown access key or wrong session token", CommonErrors;
    QUERY_SIGNATURE = "SignatureDoesNotMatch", 403, "query services: wrong signature, or its time is too far off", CommonErrors;
    QUERY_EXPIRED = "ExpiredToken", 403, "query services: the session token has expired", CommonErrors;
    INVALID_ACTION = "InvalidAction", 400, "an action the region does not have", CommonErrors;
    REQUEST_LIMIT = "RequestLimitExceeded", 503, "EC2: the action's token bucket is empty", Throttling;
    QUERY_THROTTLING = "Throttling", 400, "query services: injected throttling", CommonErrors;
    INTERNAL_ERROR = "InternalError", 500, "EC2: injected", ErrorCodes;
    INTERNAL_FAILURE = "InternalFailure", 500, "query services: injected", CommonErrors;
    UNAVAILABLE = "Unavailable", 503, "EC2: injected", ErrorCodes;
    SERVICE_UNAVAILABLE = "ServiceUnavailable", 503, "query services: injected", CommonErrors;
    DRY_RUN = "DryRunOperation", 412, "DryRun was asked for and the call would be permitted", Assumed("the status, after another simulation of the API; the code is in the API reference of every action");
    // Parameters
    MISSING_PARAMETER = "MissingParameter", 400, "a required parameter is absent", ErrorCodes;
    PARAMETER_VALUE = "InvalidParameterValue", 400, "a bad value: unknown filter, MaxResults out of bounds, device name bad or in use, device index in use, address outside the subnet, malformed volume id", ErrorCodes;
    PARAMETER_COMBINATION = "InvalidParameterCombination", 400, "ids together with MaxResults; an interface of another zone; Multi-Attach of a type that has none", ErrorCodes;
    TOKEN_MISMATCH = "IdempotentParameterMismatch", 400, "a ClientToken used again with other parameters", ErrorCodes;
    BAD_PAGE_TOKEN = "InvalidPaginationToken", 400, "a NextToken that the region did not give", ErrorCodes;
    // Instances
    INSTANCE_NOT_FOUND = "InvalidInstanceID.NotFound", 400, "no such instance", ErrorCodes;
    INSTANCE_MALFORMED = "InvalidInstanceID.Malformed", 400, "an instance id that is none", ErrorCodes;
    INSTANCE_STATE = "IncorrectInstanceState", 400, "detach from a terminating instance; start, stop or reboot in a state that forbids it", Issue("hashicorp/terraform#18965");
    UNKNOWN_INSTANCE_TYPE = "InvalidInstanceType", 400, "an instance type the region does not have", ErrorCodes;
    NO_LATEST_CONSOLE = "UnsupportedOperation", 400, "GetConsoleOutput with Latest of an instance that is not of a Nitro type", Assumed("the words; that Latest is for Nitro is in the API reference, GetConsoleOutput, the code on the error codes page");
    TEMPLATE_NOT_FOUND = "InvalidLaunchTemplateName.NotFoundException", 400, "no such launch template", ErrorCodes;
    TEMPLATE_EXISTS = "InvalidLaunchTemplateName.AlreadyExistsException", 400, "a launch template of this name exists", ErrorCodes;
    // Volumes
    VOLUME_NOT_FOUND = "InvalidVolume.NotFound", 400, "no such volume", ErrorCodes;
    VOLUME_IN_USE = "VolumeInUse", 400, "the volume is attached (vol-… is already attached to an instance)", Issue("hashicorp/terraform#8565; the code: error codes page");
    VOLUME_ZONE = "InvalidVolume.ZoneMismatch", 400, "volume and instance are in different zones", ErrorCodes;
    INCORRECT_STATE = "IncorrectState", 400, "instance not running or stopped; volume creating or detaching; detach of an available volume", Issue("fpco/terraform-aws-foundation#280, hashicorp/terraform#9023");
    VOLUME_UNFIT = "IncorrectState", 400, "attach of a volume that is deleting or in error", Assumed("as for one that is creating (vol-… is not 'available'.): kubernetes/kubernetes#15058, andsens/build-debian-cloud#85");
    KEY_REVOKED = "CustomerKeyHasBeenRevoked", 400, "attach of a volume whose KMS key is disabled, or on which the caller may make no grant", Issue("kubernetes-retired/kube-aws#393, kubernetes/kubernetes#62171 (no grant), public CloudTrail records (disabled); the code: error codes page");
    ATTACHMENT_LIMIT = "AttachmentLimitExceeded", 400, "the instance's limit of interfaces, or of attachments, is reached", Issue("chef/knife-ec2#375");
    ATTACHMENT_NOT_FOUND = "InvalidAttachment.NotFound", 400, "detach of a volume from an instance or device that it is not on", ErrorCodes;
    ROOT_VOLUME = "OperationNotPermitted", 400, "detach of the root volume of an instance that is not stopped; detach of the interface at index 0", Issue("aws-samples/aws-modern-application-workshop#56; for the root volume assumed");
    ZONE_NOT_FOUND = "InvalidZone.NotFound", 400, "a zone without a subnet", ErrorCodes;
    // Interfaces and subnets
    ENI_NOT_FOUND = "InvalidNetworkInterfaceID.NotFound", 400, "no such interface", ErrorCodes;
    ENI_MALFORMED = "InvalidNetworkInterfaceId.Malformed", 400, "an interface id that is none", ErrorCodes;
    ENI_IN_USE = "InvalidNetworkInterface.InUse", 400, "the interface is attached (Interface: [eni-…] in use.)", Issue("hashicorp/terraform-provider-aws#27513");
    ENI_MANAGED = "AuthFailure", 400, "attach, detach or change of an interface that a service of AWS manages", Issue("aws/aws-k8s-tester#70 (detach), cloud-custodian/cloud-custodian#3406 (change); for the attach assumed");
    ENI_TYPE = "OperationNotPermitted", 400, "attach of an interface that is neither an interface nor an efa", Assumed("the code and the words; such interfaces are mostly requester-managed too");
    ENI_PENDING = "IncorrectState", 400, "attach of an interface that is pending", Assumed("the code, as for a volume that is creating; that a new interface cannot always be attached at once is in aws/aws-sdk#301");
    ENI_LARGE_ACCOUNT = "OperationNotPermitted", 400, "DescribeNetworkInterfaces without pages and without a narrow filter, in an account with very many", Assumed("that it fails is in the API reference (DescribeNetworkInterfaces); the code and the number are not");
    ENI_ATTACHMENT_NOT_FOUND = "InvalidAttachmentID.NotFound", 400, "no such interface attachment", ErrorCodes;
    SUBNET_NOT_FOUND = "InvalidSubnetID.NotFound", 400, "no such subnet", ErrorCodes;
    SUBNET_CONFLICT = "InvalidSubnet.Conflict", 400, "a subnet's addresses overlap with another's", ErrorCodes;
    SUBNET_RANGE = "InvalidSubnet.Range", 400, "a subnet's addresses are not within the VPC's", ErrorCodes;
    SUBNET_FULL = "InsufficientFreeAddressesInSubnet", 400, "no address is left in the subnet", ErrorCodes;
    ADDRESS_IN_USE = "InvalidIPAddress.InUse", 400, "the address belongs to another interface", ErrorCodes;
    VPC_NOT_FOUND = "InvalidVpcID.NotFound", 400, "no such VPC", ErrorCodes;
    TAGGED_NOT_FOUND = "InvalidID", 400, "tags for an id of a kind that the region does not have", ErrorCodes;
    TAG_LIMIT = "TagLimitExceeded", 400, "more than 50 tags on one resource", ErrorCodes;
    RESERVED_TAG = "InvalidParameterValue", 400, "a tag key that begins with aws:", Guide("EC2 user guide, Tag restrictions");
    // Auto Scaling and CloudFormation
    NO_GROUP = "ValidationError", 400, "Auto Scaling: no such group", Issue("aws/aws-sdk-go#1151");
    NO_GROUP_INSTANCE = "ValidationError", 400, "Auto Scaling: an instance of no group, or of another one than was named", Assumed("the code; the API reference has none for it");
    TOO_MANY_IDS = "ValidationError", 400, "Auto Scaling: more than 50 instance ids", Issue("hjacobs/kube-aws-autoscaler#25");
    GROUP_SIZE = "ValidationError", 400, "Auto Scaling: a desired capacity outside of a group's sizes", Issue("convox/praxis#258 (the message, through CloudFormation); the code is assumed");
    GROUP_PARAMETER = "ValidationError", 400, "Auto Scaling: a health status, subnet, launch configuration or launch template that is none", Assumed("the code, after Common Errors: an input that does not satisfy the constraints");
    NO_STACK = "ValidationError", 400, "CloudFormation: no such stack, or no more (Stack with id … does not exist)", Issue("boto/boto3#2807, convox/rack#2572; for SignalResource assumed");
    NO_RESOURCE = "ValidationError", 400, "CloudFormation: no such resource in the stack", Issue("jpsim/AWSPics#14 (DescribeStackResource); for SignalResource assumed");
    NOT_SIGNALED = "ValidationError", 400, "CloudFormation: a stack that is not being created or updated cannot be signaled", Issue("awslabs/aws-cloudformation-templates#34, zalando-incubator/kubernetes-on-aws#538");
    BAD_SIGNAL = "ValidationError", 400, "CloudFormation: a signal's status that is no status, or a UniqueId of none or more than 64 characters", Assumed("the code; the limits are in the API reference, SignalResource");
    SIGNAL_OF_NOBODY = "ValidationError", 400, "CloudFormation: a signal whose UniqueId is of nobody in the stack's group", Assumed("that it is refused, and the code; the API reference, SignalResource, wants the instance's id for a group");
    RESOURCE_CONTENTION = "ResourceContention", 500, "Auto Scaling: injected pending update of the same resource", Api("SetInstanceHealth, Errors");
    NO_ACTION = "ValidationError", 400, "Auto Scaling: no action of this hook waits for the instance or the token: there is no such hook, or it was completed, or its time is over", Issue("convox/rack#2432 (the message, for an instance id); for a token the words are assumed");
    NO_HOOK = "ValidationError", 400, "Auto Scaling: a lifecycle hook is deleted that is not there", Assumed("the code and the words; the API reference, DeleteLifecycleHook, has no error for it");
    HOOK_PARAMETER = "ValidationError", 400, "Auto Scaling: a lifecycle hook's name, transition, result or time-out that is none, or an action that is named by neither id nor token", Assumed("the code, after Common Errors; the bounds are in the API reference, PutLifecycleHook");
    HOOK_LIMIT = "LimitExceeded", 400, "more than 50 lifecycle hooks in a group", Api("PutLifecycleHook");
    REFRESH_IN_PROGRESS = "InstanceRefreshInProgress", 400, "an instance refresh is started while another one of the group goes on", Api("StartInstanceRefresh");
    NO_REFRESH = "ActiveInstanceRefreshNotFound", 400, "an instance refresh is cancelled where none goes on", Api("CancelInstanceRefresh");
    REFRESH_PARAMETER = "ValidationError", 400, "Auto Scaling: percentages of healthy instances outside of their bounds", Assumed("the code; the bounds are in the API reference, RefreshPreferences and InstanceMaintenancePolicy");
    GROUP_EXISTS = "AlreadyExists", 400, "a group or launch configuration of this name exists", Api("CreateAutoScalingGroup");
    GROUP_IN_USE = "ResourceInUse", 400, "a group with instances is deleted without force", Api("DeleteAutoScalingGroup");
    BAD_NEXT_TOKEN = "InvalidNextToken", 400, "Auto Scaling: a NextToken that the region did not give", Api("DescribeAutoScalingInstances");
}

/// One delay of the region.
#[derive(Clone, Copy, Debug)]
pub struct DelaySource {
    /// The field of `Delays`.
    pub name: &'static str,
    /// Where the default was read.
    pub source: Source,
}

const fn delay(name: &'static str, source: Source) -> DelaySource {
    DelaySource { name, source }
}

/// Every delay of the region.
pub const DELAYS: &[DelaySource] = &[
    delay("instance_pending", Assumed("seconds; varies with type and image")),
    delay(
        "instance_shutting_down",
        Issue("cloudstax/firecamp#46 (up to 37 minutes); the default is assumed"),
    ),
    delay("instance_stopping", Assumed("as long as shutting-down")),
    delay("release", Assumed("volumes and interfaces are available as soon as the instance is terminated")),
    delay("volume_create", Issue("kubernetes-sigs/aws-ebs-csi-driver pkg/cloud (median 1.5 s, p99 4 s)")),
    delay(
        "volume_delete",
        Guide("API reference, DeleteVolume (deleting for several minutes); the default is assumed (0)"),
    ),
    delay(
        "volume_undone",
        Guide(
            "EBS user guide, EventBridge events (attachVolume failed: a KMS key pending deletion); how long is assumed",
        ),
    ),
    delay("volume_attach", Issue("kubernetes-sigs/aws-ebs-csi-driver pkg/cloud (most in 1-4 s)")),
    delay("volume_detach", Issue("kubernetes-sigs/aws-ebs-csi-driver pkg/cloud (most in 1-4 s)")),
    delay(
        "eni_create",
        Guide(
            "API reference, CreateNetworkInterface (the example's answer is pending); the default is assumed (0), after aws/aws-sdk#301 (the call is synchronous)",
        ),
    ),
    delay("eni_attach", Assumed("as a volume's")),
    delay("eni_detach", Issue("aws/amazon-vpc-cni-k8s pkg/awsutils (waits 2 s before it deletes)")),
    delay("describe_staleness", Guide("EC2 developer guide, Eventual consistency; how long is assumed (0)")),
    delay("tag_visibility", Guide("EC2 developer guide, Eventual consistency; how long is assumed (0)")),
    delay("group_launch", Assumed("seconds after the group's decision")),
    delay("health_check", Guide("EC2 Auto Scaling user guide, Health checks (a few minutes)")),
    delay("group_notice", Guide("EC2 Auto Scaling user guide, Health checks (not running: immediately)")),
    delay("hook_proceed", Assumed("seconds, as for a group's launch")),
    delay(
        "console_output",
        Guide("API reference, GetConsoleOutput (posted shortly after a transition); how long is assumed"),
    ),
    delay("imds_new_interface", Issue("amazonlinux/amazon-ec2-net-utils lib/lib.sh; how long is assumed")),
    delay("imds_device_number", Issue("amazonlinux/amazon-ec2-net-utils#90 (reads 0 until propagated)")),
    delay(
        "imds_target_state",
        Guide("EC2 Auto Scaling user guide, target lifecycle state (404 at first); how long is assumed"),
    ),
];

/// Other behaviours that nobody's word backs yet.
pub const ASSUMED: &[&str] = &[
    "the resource token buckets (1000 instances and more) are never emptied here and left out",
    "a describe call that names ids, without filters or pages, takes from the smaller bucket",
    "AttachNetworkInterface to an instance that is neither running nor stopped answers IncorrectState",
    "AttachVolume of a volume that is detaching answers IncorrectState, of one attached anywhere VolumeInUse",
    "DetachVolume or DetachNetworkInterface while already detaching answers IncorrectState",
    "detaching an interface from a terminating instance answers IncorrectInstanceState, as for a volume",
    "AttachVolume and AttachNetworkInterface are atomic under concurrent callers",
    "an attachment that EBS undoes is gone from describe calls at once, and the volume is available",
    "an attachment of a volume whose key is pending deletion is accepted first (the event attachVolume failed has no request id)",
    "a key that becomes unusable changes nothing for a volume that is attached already (KMS developer guide, unusable keys)",
    "a volume in error keeps its attachments",
    "an interface turns in-use as soon as its attachment is accepted",
    "a volume hanging busy is freed by a forced detach or by the instance's termination",
    "the lowest free address from .10 on is given to a new interface (AWS gives any)",
    "an instance of a warm pool takes no time in Warmed:Pending beyond its boot, and its health is not looked at there",
    "an instance waits in Pending:Wait from when it runs, and in Terminating:Wait from the group's decision",
    "several hooks of one transition begin at once, each with a time of its own",
    "the terminating hooks fire for an instance whose launching hook was abandoned, too",
    "the hooks of an instance that EC2 has terminated already are waited for; it shuts down at once",
    "an instance that returns to its warm pool fires no hook",
    "a change of a hook's time-out counts from the next heartbeat on, a change of its default result from the next action on",
    "any running instance can be interrupted as a Spot Instance; its instance-life-cycle stays on-demand",
    "spot/termination-time exists for an interruption by termination only (user guide: if marked to be terminated)",
    "a hibernation begins with its notice (user guide, Spot interruptions); a stop or termination two minutes later to the millisecond",
    "events/maintenance/scheduled and history are empty lists where there are no events",
    "a scheduled event begins at its NotBefore and is done at once; a retirement stops the instance (user guide: EBS-backed)",
    "a group whose health check type has EBS in it looks at the checks of attached volumes as at the others",
    "an active scheduled event makes an instance unhealthy to its group, whatever its kind, as an impaired check does (user guide, health checks)",
    "GetConsoleOutput shows each line a while after it was written, not only after a boot or an end",
    "an instance refresh with MaxHealthyPercentage 100 takes at least one instance at a time, however small the group",
    "with MaxHealthyPercentage above 100 an instance refresh launches as many more as fit, and ends old ones as new ones are warm",
    "an instance refresh fails when for an hour no instance was taken or came to count; instances in standby are left alone",
    "a cancelled instance refresh is Cancelled at once, and takes no more",
    "the instance maintenance policy counts for instance refreshes; an unhealthy instance is ended first whatever it says",
    "DescribeAutoScalingGroups does not list the instances of the warm pool",
    "the target state of Warmed:Pending is the pool's steady state (user guide, target lifecycle state: four more steady states)",
    "an instance is a member of its group, and may signal, until it is terminated",
    "of two different signals with one UniqueId the first counts",
    "a failed create ends CREATE_FAILED and a failed update UPDATE_ROLLBACK_COMPLETE; instances are not rolled back",
    "a deleted stack found by its ARN answers a signal as one in any other state that cannot be signaled",
    "the CFN_V1 refusal for an instance outside the stack is AccessDenied",
    "the instance identity signature is 128 bytes in base64 with line breaks; the region signs with its own key",
    "an instance's credentials change when less than an hour of them is left",
];

/// The whole table as text.
pub fn print() -> String {
    use fmt::Write;
    let mut out = String::from("REFUSALS\n");
    for rule in REFUSALS {
        let _ = writeln!(
            out,
            "{} ({})\n    when: {}\n    source: {}",
            rule.code, rule.status, rule.when, rule.source
        );
    }
    out.push_str("\nDELAYS (default, from)\n");
    let defaults = serde_json::to_value(super::Delays::default()).unwrap_or_default();
    for row in DELAYS {
        let _ = writeln!(out, "{}: {}\n    source: {}", row.name, defaults[row.name], row.source);
    }
    out.push_str("\nTO BE VERIFIED ON A REAL ACCOUNT\n");
    for rule in REFUSALS {
        let said = rule.source.to_string();
        if said.contains("assumed") {
            let _ = writeln!(out, "- {}, {}: {said}", rule.code, rule.when);
        }
    }
    for row in DELAYS {
        let said = row.source.to_string();
        if said.contains("assumed") {
            let _ = writeln!(out, "- {}: {said}", row.name);
        }
    }
    for what in ASSUMED {
        let _ = writeln!(out, "- {what}");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_delay_has_a_source_and_every_source_a_delay() {
        let fields = serde_json::to_value(super::super::Delays::default()).unwrap();
        let fields: BTreeSet<&str> = fields.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, DELAYS.iter().map(|row| row.name).collect());
    }

    #[test]
    fn each_validation_error_has_a_source_of_its_own() {
        let found: Vec<&Rule> = REFUSALS.iter().filter(|rule| rule.code == "ValidationError").collect();
        let sources: BTreeSet<String> = found.iter().map(|rule| rule.source.to_string()).collect();
        assert_eq!(sources.len(), found.len());
        assert!(found.iter().all(|rule| !rule.when.contains(';')), "one rule, one reason");
        let said = print();
        let (_, unverified) = said.split_once("TO BE VERIFIED").unwrap();
        for what in ["an instance of no group", "of nobody in the stack's group"] {
            assert!(unverified.contains(what), "{what}");
        }
    }

    #[test]
    fn every_refusal_is_made_from_the_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut left = vec![root];
        let mut used = String::new();
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let made = text.matches(concat!("Refusal ", "{ status")).count();
                let allowed = if path.ends_with("model/refusal.rs") { 2 } else { 0 };
                assert_eq!(made, allowed, "{} makes a refusal past the table", path.display());
                if !path.ends_with("sources.rs") {
                    used.push_str(&text);
                }
            }
        }
        assert_eq!(used.matches("Refusal::injected(").count(), 1, "only the injected fault has free codes");
        let table = include_str!("sources.rs");
        for line in table.lines().filter(|line| line.contains("\", ") && line.starts_with("    ")) {
            if let Some((name, _)) = line.trim().split_once(" = \"") {
                assert!(used.contains(name), "{name} is in the table and nobody gives it");
            }
        }
    }
}
