//! Values that travel as strings and are parsed once, where they enter: ARNs, durations, names, images, roles.
//!
//! Images and roles are read with the very patterns of the schema ([`crate::limits`]). A duration may be any that fits in 32
//! bits of seconds: how long a field allows is the schema's business.

mod arn;
mod duration;
mod image;
mod names;
mod role;

pub use arn::Arn;
pub use duration::{DurationError, parse_duration, seconds_or};
pub use image::{ImageRef, ImageRefError, Registry};
pub use names::{
    ClusterNames, cluster_prefix, default_endpoint_name, former_runtime_name, is_reserved,
    namespace_prefix,
};
pub use role::{RoleArn, RoleArnError};
