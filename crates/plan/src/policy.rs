//! What the operator was told on its command line: the rules every object is held against.

use agentcore_api::values::ClusterNames;

use crate::aws::Tags;

/// The operator's own settings, as far as planning needs them.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `--cluster-id`, or the UID of kube-system.
    pub cluster_id: String,
    /// UID of kube-system: tells two clusters of the same id apart.
    pub cluster_uid: String,
    /// `--former-cluster-uid`: UIDs that this cluster had before it was rebuilt; what carries them is its own.
    pub former_cluster_uids: Vec<String>,
    /// Account that the credentials belong to (GetCallerIdentity).
    pub account: String,
    /// Partition of that account, such as `aws`.
    pub partition: String,
    /// Region of objects that name none.
    pub region: String,
    /// `--default-tag`.
    pub default_tags: Tags,
    /// `--required-tag-key`.
    pub required_tag_keys: Vec<String>,
    /// `--allow-execution-role`: roles of the built-in grant beside those under the path `/agentcore/{namespace}/`.
    pub execution_role_patterns: Vec<String>,
    /// `--max-runtimes-per-namespace`, of the built-in grant.
    pub max_runtimes_per_namespace: Option<usize>,
    /// `--no-default-grant`: namespaces that no AgentGrant names have nothing.
    pub no_default_grant: bool,
}

impl Policy {
    /// What names of runtimes are derived from.
    pub fn names(&self) -> ClusterNames {
        ClusterNames {
            id: self.cluster_id.clone(),
            uid: self.cluster_uid.clone(),
            former_uids: self.former_cluster_uids.clone(),
        }
    }
}
