//! Everything the simulator remembers: clock, settings, runtimes, images, credentials, faults and counters.

pub mod clock;
pub mod credentials;
pub mod endpoint;
pub mod faults;
pub mod ids;
pub mod image;
pub mod journal;
pub mod lookup;
pub mod partition;
pub mod profile;
pub mod runtime;
pub mod settings;
pub mod switches;
pub mod throttle;
pub mod transitions;
pub mod world;
