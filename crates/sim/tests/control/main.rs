//! The control plane, STS, ECR and the admin API, by signed HTTP against a simulator in the same process.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod admin;
mod client;
mod endpoints;
mod failures;
mod idempotency;
mod images;
mod program;
mod readme;
mod runtimes;
mod s3;
mod signatures;
mod sts;
mod tags;
mod validation;
mod vectors;
