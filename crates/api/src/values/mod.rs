//! Values that travel as strings and are parsed once, where they enter: durations, names, images, roles.
//!
//! Nothing here is stricter or laxer than the schema of the kinds: both use the patterns of [`crate::limits`].

mod duration;
mod image;
mod names;
mod role;

pub use duration::{DurationError, parse_duration};
pub use image::{ImageRef, ImageRefError, Registry};
pub use names::{default_endpoint_name, default_runtime_name};
pub use role::{RoleArn, RoleArnError};
