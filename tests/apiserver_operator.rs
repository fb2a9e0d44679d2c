//! The operator's own process against a real API server and the local AgentCore. One API server serves all tests; each test has
//! a namespace, a simulator and operators of its own.

mod apiserver {
    mod agent;
    mod api_proxy;
    mod by_hand;
    #[allow(dead_code)] // the gateway's tests use it too
    mod proxy;
    #[allow(dead_code)] // the gateway's tests use more of it
    mod rig;
    mod rights;

    mod configuration;
    mod deletion;
    mod endpoints;
    mod fairness;
    mod faults;
    mod grants;
    mod history;
    mod images;
    mod kills;
    mod leader;
    mod leases;
    mod lifecycle;
    mod ownership;
    mod refusals;
    mod sessions;
    mod watch_faults;
}
