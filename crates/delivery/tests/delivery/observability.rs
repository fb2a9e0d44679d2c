//! Alert rules and dashboards against the metrics that the programs export.
