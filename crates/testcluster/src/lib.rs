//! A real Kubernetes API for tests and for the demo: etcd, kube-apiserver and kube-controller-manager on
//! loopback, with RBAC, garbage collection, namespace deletion and ServiceAccount tokens, and no nodes.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = testcluster::Cluster::start().await?;
//! println!("export KUBECONFIG={}", cluster.kubeconfig().display());
//! cluster.stop().await?;
//! # Ok(()) }
//! ```
//!
//! The programs are found, downloaded or built by [`programs`]. Nothing outlives a [`Cluster`]: dropping it
//! kills what it started, and if its owner dies without dropping it, even by SIGKILL, a guard process does.

mod client;
mod cluster;
mod folder;
mod group;
mod kubeconfig;
mod pki;
mod ports;
pub mod programs;
mod progress;

pub use cluster::Cluster;
