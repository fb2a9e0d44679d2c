//! Reasons of conditions and Events. Constants, so that documentation, tests and alerts can rely on them.

/// Declares each reason once, with the sentence that documents it.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+
        /// Every reason, for documentation and tests.
        pub const ALL: &[&str] = &[$($name),+];
    };
}

reasons! {
    /// The wish is live.
    READY = "Ready";
    /// A create was accepted, or is about to be sent.
    CREATING = "Creating";
    /// An update was accepted, or is about to be sent.
    UPDATING = "Updating";
    /// AgentCore is deleting.
    DELETING = "Deleting";
    /// The new version is READY, and DEFAULT has not moved to it yet.
    DEFAULT_ENDPOINT_MOVING = "DefaultEndpointMoving";
    /// A version that Git did not ask for is being made; the last good one serves.
    ROLLOUT_ACTIVE = "RolloutActive";
    /// `spec.suspend` is true: nothing is changed.
    SUSPENDED = "Suspended";
    /// AgentCore ended in CREATE_FAILED.
    CREATE_FAILED = "CreateFailed";
    /// AgentCore ended in UPDATE_FAILED; the last good version serves.
    UPDATE_FAILED = "UpdateFailed";
    /// AgentCore ended in DELETE_FAILED.
    DELETE_FAILED = "DeleteFailed";
    /// The deletion takes longer than 15 minutes.
    DELETION_STUCK = "DeletionStuck";
    /// The image, or its tag, is not there.
    IMAGE_NOT_FOUND = "ImageNotFound";
    /// The image is not built for linux/arm64.
    IMAGE_ARCHITECTURE = "ImageArchitecture";
    /// The image may not be read with the execution role.
    IMAGE_ACCESS_DENIED = "ImageAccessDenied";
    /// The agent gave no healthy answer to /ping while AgentCore made a version, which takes 120 s at most.
    AGENT_UNHEALTHY = "AgentUnhealthy";
    /// The warm-up hook failed, or took longer than 120 s, while AgentCore made a version.
    WARMUP_FAILED = "WarmupFailed";
    /// The execution role is missing or does not trust AgentCore.
    ROLE_INVALID = "RoleInvalid";
    /// The operator is not allowed to hand out this execution role.
    ROLE_NOT_ALLOWED = "RoleNotAllowed";
    /// No AgentGrant gives the namespace what the spec names.
    NOT_GRANTED = "NotGranted";
    /// AgentGrants or namespaces have not been listed yet, so nothing is changed.
    GRANTS_UNKNOWN = "GrantsUnknown";
    /// A subnet lies in an availability zone that AgentCore does not support.
    UNSUPPORTED_AVAILABILITY_ZONE = "UnsupportedAvailabilityZone";
    /// A runtime or endpoint of this name exists and is not ours.
    NAME_TAKEN = "NameTaken";
    /// The runtime carries another owner's tags, or is not what the spec says.
    ADOPTION_REFUSED = "AdoptionRefused";
    /// The adopted runtime differs from the spec, and `adopt.apply` is not true.
    ADOPTION_PENDING = "AdoptionPending";
    /// The AWS resource does not carry this object's ownership tags, so it is neither changed nor deleted, and the gateway does not call it.
    NOT_OWNED = "NotOwned";
    /// A tag key that the operator requires is missing.
    REQUIRED_TAG_MISSING = "RequiredTagMissing";
    /// Tags of spec, operator and ownership are more than 50 together.
    TOO_MANY_TAGS = "TooManyTags";
    /// The namespace holds as many runtimes as it may.
    NAMESPACE_LIMIT_REACHED = "NamespaceLimitReached";
    /// The spec says what the API server cannot check.
    INVALID_SPEC = "InvalidSpec";
    /// The object does not fit the types of this release, and is left alone until it does.
    UNREADABLE = "Unreadable";
    /// The objects of the namespace are larger than the operator keeps in memory for one, and this one is left alone.
    OVER_THE_LIMIT = "OverTheLimit";
    /// AWS refused the request as invalid.
    INVALID = "Invalid";
    /// AWS did not allow the operator to do it, or its credentials are of another account.
    ACCESS_DENIED = "AccessDenied";
    /// A quota of the account is used up.
    QUOTA_EXCEEDED = "QuotaExceeded";
    /// Something that was just made is not usable everywhere yet.
    NOT_YET = "NotYet";
    /// AWS slows the operator down.
    THROTTLED = "Throttled";
    /// AWS did not answer, or with an error of its own.
    SERVICE_UNAVAILABLE = "ServiceUnavailable";
    /// AWS is busy with this resource.
    CONFLICT = "Conflict";
    /// AWS answered something that the operator does not know.
    UNKNOWN_ERROR = "UnknownError";
    /// AWS answers, but a field is not as the request asked for.
    NOT_APPLIED = "NotApplied";
    /// The runtime is as wished, and AWS does not invoke it.
    NOT_INVOCABLE = "NotInvocable";
    /// AgentCore has settings that this release does not know, and an update would take them away.
    UNKNOWN_SETTINGS = "UnknownSettings";
    /// The runtime is gone in AWS and is made again.
    LOST = "Lost";
    /// Changed in AWS by somebody else, and corrected.
    DRIFT_CORRECTED = "DriftCorrected";
    /// Endpoints still use the runtime.
    ENDPOINTS_IN_USE = "EndpointsInUse";
    /// The AgentRuntime is not there.
    RUNTIME_NOT_FOUND = "RuntimeNotFound";
    /// The AgentRuntime has no version that serves yet.
    RUNTIME_NOT_READY = "RuntimeNotReady";
    /// The pinned version is not there.
    VERSION_NOT_FOUND = "VersionNotFound";
    /// Taken over from an object that was recreated, or adopted.
    ADOPTED = "Adopted";
    /// AgentCore finished the deletion.
    DELETED = "Deleted";
    /// Left behind in AWS, as the deletion policy or an annotation says.
    RETAINED = "Retained";
    /// All subnets are in one place: AgentCore recommends two availability zones.
    SINGLE_SUBNET = "SingleSubnet";
    /// The AgentEndpoint is not there.
    ENDPOINT_NOT_FOUND = "EndpointNotFound";
    /// The AgentEndpoint serves no version yet.
    ENDPOINT_NOT_READY = "EndpointNotReady";
    /// A session was begun and has not answered yet.
    STARTING = "Starting";
    /// A new session was begun; the one before it serves until the new one has answered.
    REPLACING = "Replacing";
    /// The new session does not answer; the one before it goes on serving.
    REPLACEMENT_FAILED = "ReplacementFailed";
    /// The agent did not answer a keepalive, or failed.
    AGENT_FAILED = "AgentFailed";
    /// The agent answered a keepalive with a 4xx status: it does not take the payload.
    KEEP_ALIVE_REFUSED = "KeepAliveRefused";
    /// Keepalives are not more frequent than the runtime's idle time-out.
    KEEP_ALIVE_TOO_SLOW = "KeepAliveTooSlow";
    /// The runtime has a JWT authorizer, and so refuses the operator's signature.
    JWT_AUTHORIZER = "JwtAuthorizer";
    /// A session answered for the first time, and serves.
    SESSION_STARTED = "SessionStarted";
    /// A new session serves in place of the one before it.
    SESSION_REPLACED = "SessionReplaced";
    /// A session that does not serve any more was stopped.
    SESSION_STOPPED = "SessionStopped";
    /// A Secret or ConfigMap that the spec refers to, or a key of it, is not there.
    CONFIG_MISSING = "ConfigMissing";
    /// The operator may not read a Secret or ConfigMap that the spec refers to.
    CONFIG_FORBIDDEN = "ConfigForbidden";
    /// What Secrets and ConfigMaps say makes no environment that AgentCore takes.
    CONFIG_INVALID = "ConfigInvalid";
    /// Secrets or ConfigMaps, or the operator's own key for hashes, cannot be read at the moment.
    CONFIG_UNAVAILABLE = "ConfigUnavailable";
    /// A key of a Secret or ConfigMap is no name of a variable, and was skipped.
    ENV_NAME_SKIPPED = "EnvNameSkipped";
    /// Old versions could not be listed or deleted.
    PRUNE_FAILED = "PruneFailed";
    /// The runtime has used 80 % of the versions that AgentCore takes.
    VERSIONS_NEAR_QUOTA = "VersionsNearQuota";
    /// The image or the code was found, and what AWS gets is fixed to it.
    RESOLVED = "Resolved";
    /// Images of public.ecr.aws are given to AWS as they are written.
    TAKEN_AS_WRITTEN = "TakenAsWritten";
    /// The operator may not read the repository.
    REGISTRY_ACCESS_DENIED = "RegistryAccessDenied";
    /// The repository has no such tag, digest, or tag that the policy takes.
    TAG_NOT_FOUND = "TagNotFound";
    /// There is no such repository.
    REPOSITORY_NOT_FOUND = "RepositoryNotFound";
    /// The image has nothing for linux/arm64.
    NO_ARM64 = "NoArm64";
    /// What the tag or digest names is no image: a signature, an SBOM, a chart.
    NOT_AN_IMAGE = "NotAnImage";
    /// The image is larger than the 2 GB that AgentCore takes.
    TOO_LARGE = "TooLarge";
    /// The index is there, and the image that it names for linux/arm64 is not, or not yet.
    IMAGE_INCOMPLETE = "ImageIncomplete";
    /// The registry did not answer, or with an error of its own.
    REGISTRY_UNREACHABLE = "RegistryUnreachable";
    /// The repository holds more tagged images than are looked at, so what is newest is not known.
    LISTING_INCOMPLETE = "ListingIncomplete";
    /// What the policy would take is older than what runs.
    DOWNGRADE_REFUSED = "DowngradeRefused";
    /// What the policy would take is excluded.
    EXCLUDED = "Excluded";
    /// The object of the code is not there.
    CODE_NOT_FOUND = "CodeNotFound";
    /// The operator may not read the object of the code.
    CODE_ACCESS_DENIED = "CodeAccessDenied";
    /// S3 did not answer, or with an error of its own.
    CODE_UNREACHABLE = "CodeUnreachable";
    /// Another image or code is taken from now on.
    IMAGE_PICKED = "ImagePicked";
    /// An image was not taken.
    IMAGE_REJECTED = "ImageRejected";
    /// SessionsCurrent: every known session runs the version that serves.
    ALL_CURRENT = "AllCurrent";
    /// SessionsCurrent: stale sessions wait for their end.
    DRAINING = "Draining";
    /// SessionsCurrent: stale sessions are left to AgentCore's time-outs, as `spec.sessions.onUpdate` says.
    LEFT_TO_TIME_OUT = "LeftToTimeOut";
    /// SessionsCurrent: stale sessions are still there although their deadline has come.
    OVERDUE = "Overdue";
    /// SessionsCurrent: no gateway reports sessions.
    NO_REPORT = "NoReport";
}
