//! What travels over the wire: error shapes, request shapes and the replies of the services.

pub mod errors;
pub mod events;
pub mod reply;
pub mod runtime_shapes;
pub mod shape;
pub mod shapes;
