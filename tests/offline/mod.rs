//! Tests by subject.

mod access;
mod beyond;
mod broken;
mod faults;
mod full_config;
mod headers;
mod images;
mod inventory;
mod left_out;
mod lists;
mod round_trip;
mod sessions;
mod support;
