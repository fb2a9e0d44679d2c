//! What every verb stands on: flags, output, and a cluster that is connected to when it is first needed.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;

use crate::args::Global;
use crate::error::Error;
use crate::output::Output;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// What every verb stands on.
pub struct Context {
    /// Flags of every verb.
    pub global: Global,
    /// Where results go.
    pub output: Output,
    cluster: OnceCell<Cluster>,
}

/// A cluster and the place in it.
#[derive(Clone)]
pub struct Cluster {
    /// Client.
    pub client: Client,
    /// What the client was made of.
    pub config: Config,
    /// Namespace of `--namespace`, else of the context.
    pub namespace: String,
}

impl Context {
    /// Nothing is read or connected to yet.
    pub fn new(global: Global) -> Self {
        let output = Output::of_terminal(global.color);
        Self {
            global,
            output,
            cluster: OnceCell::new(),
        }
    }

    /// The cluster. Offline verbs never ask for it.
    pub async fn cluster(&self) -> Result<&Cluster, Error> {
        self.cluster
            .get_or_try_init(|| Cluster::new(&self.global))
            .await
    }
}

impl Cluster {
    /// Reads the kubeconfig, and makes a client. Nothing is sent yet.
    pub async fn new(global: &Global) -> Result<Self, Error> {
        let mut config = config(global).await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(global.request_timeout);
        if let Some(user) = &global.impersonate {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                (!global.impersonate_groups.is_empty()).then(|| global.impersonate_groups.clone());
        }
        let namespace = global
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self {
            client: client(&config)?,
            config,
            namespace,
        })
    }

    /// The same, for watches: nothing may come for a long time.
    pub fn patient(&self) -> Result<Self, Error> {
        let mut config = self.config.clone();
        config.read_timeout = None;
        Ok(Self {
            client: client(&config)?,
            config,
            namespace: self.namespace.clone(),
        })
    }

    /// Says that there is nothing to show.
    pub fn nothing(&self, all_namespaces: bool) -> String {
        nothing(&self.namespace, all_namespaces)
    }

    /// Objects of the namespace, or of all.
    pub fn api<K>(&self, all_namespaces: bool) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        if all_namespaces {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        }
    }
}

/// Says that there is nothing to show.
pub fn nothing(namespace: &str, all_namespaces: bool) -> String {
    if all_namespaces {
        "no agents in the cluster".to_owned()
    } else {
        format!("no agents in namespace {namespace}")
    }
}

fn client(config: &Config) -> Result<Client, Error> {
    Client::try_from(config.clone()).map_err(|error| match (&error, &config.auth_info.exec) {
        (kube::Error::Auth(cause), Some(exec)) => Error::Forbidden(format!(
            "the kubeconfig's program for credentials, {:?}, cannot be used: {}; is it installed?",
            exec.command.as_deref().unwrap_or_default(),
            causes(cause)
        )),
        _ => Error::Failed(format!(
            "the kubeconfig makes no client: {}",
            causes(&error)
        )),
    })
}

/// The configuration that kubectl would take.
async fn config(global: &Global) -> Result<Config, Error> {
    let options = KubeConfigOptions {
        context: global.context.clone(),
        cluster: global.cluster.clone(),
        user: global.user.clone(),
    };
    if let Some(file) = &global.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(file).map_err(|error| unreadable(&error))?;
        return Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| unreadable(&error));
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        // Without any kubeconfig a pod still has its ServiceAccount.
        Err(error) => Config::incluster().map_err(|_| unreadable(&error)),
    }
}

fn unreadable(error: &KubeconfigError) -> Error {
    use KubeconfigError as E;
    let list = "kubectl config get-contexts lists them";
    Error::Failed(match error {
        E::ReadConfig(cause, path) => format!(
            "the kubeconfig {} cannot be read: {cause}; give one with --kubeconfig or $KUBECONFIG",
            path.display()
        ),
        E::FindPath => "no kubeconfig was found: give one with --kubeconfig or $KUBECONFIG".to_owned(),
        E::CurrentContextNotSet => {
            "the kubeconfig has no current context: select one with --context or kubectl config use-context".to_owned()
        }
        E::LoadContext(name) => format!("the kubeconfig has no context {name:?}: {list}"),
        E::LoadClusterOfContext(name) => format!("the kubeconfig has no cluster {name:?}: {list}"),
        other => format!("the kubeconfig is not good: {}", causes(other)),
    })
}

/// An error and what caused it, in one line, nothing said twice.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
