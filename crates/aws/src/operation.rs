//! The AWS operations that the operator calls, by AWS's own names.

use std::fmt;

/// Declares each operation once, under the name that AWS gives it.
macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An AWS operation. Its name is the `API` of `--aws-rate API=N` and the label of metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // documented by AWS under these names
        pub enum Operation {
            $($name),+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// AWS's name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

operations! {
    CreateAgentRuntime,
    GetAgentRuntime,
    UpdateAgentRuntime,
    DeleteAgentRuntime,
    ListAgentRuntimes,
    ListAgentRuntimeVersions,
    CreateAgentRuntimeEndpoint,
    GetAgentRuntimeEndpoint,
    UpdateAgentRuntimeEndpoint,
    DeleteAgentRuntimeEndpoint,
    ListAgentRuntimeEndpoints,
    TagResource,
    UntagResource,
    ListTagsForResource,
    GetResourcePolicy,
    PutResourcePolicy,
    DeleteResourcePolicy,
    GetCallerIdentity,
    InvokeAgentRuntime,
    StopRuntimeSession,
    BatchGetImage,
    DescribeImages,
    GetDownloadUrlForLayer,
    HeadObject,
}

impl Operation {
    /// Whether it changes something in AWS.
    pub const fn mutates(self) -> bool {
        !matches!(
            self,
            Self::GetAgentRuntime
                | Self::ListAgentRuntimes
                | Self::ListAgentRuntimeVersions
                | Self::GetAgentRuntimeEndpoint
                | Self::ListAgentRuntimeEndpoints
                | Self::ListTagsForResource
                | Self::GetResourcePolicy
                | Self::GetCallerIdentity
                | Self::BatchGetImage
                | Self::DescribeImages
                | Self::GetDownloadUrlForLayer
                | Self::HeadObject
        )
    }

    /// The operation of this name, spelled as AWS spells it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.as_str() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
