//! The programs on this machine, started as a kubelet would start the containers of rendered Deployments: with their arguments, variables and
//! files, and with the token of their ServiceAccount. Addresses are replaced by free ones of loopback.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use testcluster::Cluster;

use super::super::support::{Kubectl, NAMESPACE, program};

/// Longer than anything takes on a busy machine; reaching it is a failure.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Waits until `probe` succeeds; its last failure is the error.
pub async fn until<T>(what: &str, probe: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match probe() {
            Err(error) if Instant::now() > deadline => bail!("not {what}: {error:#}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            found => return found,
        }
    }
}

/// A process with its log; it ends with its owner.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with nothing of our environment but PATH.
    pub fn start(
        command: &mut Command,
        log: PathBuf,
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let file = File::create(&log)?;
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    /// What it wrote.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The address in the log line with this message.
    pub async fn address(&self, message: &str) -> anyhow::Result<String> {
        until(message, || {
            self.text()
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["message"] == message)
                .and_then(|line| line["address"].as_str().map(str::to_owned))
                .with_context(|| self.text())
        })
        .await
    }

    /// Waits until it ends by itself; whether it says that this was right, and what it wrote.
    pub async fn ended(mut self) -> anyhow::Result<(bool, String)> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status.success(), self.text()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("it does not end: {}", self.text());
    }

    /// SIGTERM; waits for an end with status 0.
    pub async fn stop(self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(asked.success(), "cannot signal {pid}");
        let (good, text) = self.ended().await?;
        ensure!(good, "it failed when it was stopped: {text}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET without TLS.
pub fn get(address: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// One pod of a Deployment, as the kubelet of this test runs it.
pub struct Pod<'a> {
    pub cluster: &'a Cluster,
    /// Where its files and its log are.
    pub folder: &'a Path,
    /// Variables beside those of the manifest: AWS's, which IRSA or Pod Identity add in a real cluster.
    pub more: &'a [(&'a str, &'a str)],
}

impl Pod<'_> {
    /// Starts its container; answers with the address of its admin port once it is ready, which takes at most 15 s.
    pub async fn start(&self, name: &str, deployment: &Value) -> anyhow::Result<(Process, String)> {
        let begun = Instant::now();
        let process = self.begin(name, deployment).await?;
        let admin = process.address("admin endpoint listens").await?;
        until("ready", || {
            let (status, body) = get(&admin, "/readyz").with_context(|| process.text())?;
            ensure!(status == 200, "{status} {body}: {}", process.text());
            Ok(())
        })
        .await?;
        let took = begun.elapsed();
        ensure!(
            took < Duration::from_secs(15),
            "{name} was ready after {took:?}"
        );
        Ok((process, admin))
    }

    /// Starts its container.
    pub async fn begin(&self, name: &str, deployment: &Value) -> anyhow::Result<Process> {
        let spec = &deployment["spec"]["template"]["spec"];
        let account = spec["serviceAccountName"].as_str().context("no account")?;
        let kubeconfig = self
            .cluster
            .kubeconfig_for_service_account(NAMESPACE, account)
            .await?;
        let mut environment = self.environment(name, &spec["containers"][0])?;
        let kubeconfig = kubeconfig.to_string_lossy().into_owned();
        environment.push(("KUBECONFIG".to_owned(), kubeconfig));
        let more = self.more.iter();
        environment.extend(more.map(|&(key, value)| (key.to_owned(), value.to_owned())));
        let mut command = Command::new(program("agentcore-operator")?);
        command
            .args(self.arguments(spec, &environment)?)
            .arg("--admin-listen=127.0.0.1:0");
        let log = self.folder.join(format!("{name}.log"));
        Process::start(&mut command, log, &environment)
    }

    /// The variables of a container; fields of the pod are made up.
    fn environment(&self, name: &str, container: &Value) -> anyhow::Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let map = source["configMapRef"]["name"].as_str();
            let map = map.context("a source that this test does not know")?;
            let get = ["get", "configmap", map, "--namespace", NAMESPACE];
            let map = Kubectl(self.cluster).run(&[&get[..], &["-o", "json"]].concat(), "")?;
            let map: Value = serde_json::from_str(&map)?;
            let data: BTreeMap<String, String> = serde_json::from_value(map["data"].clone())?;
            found.extend(data);
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => name,
                Some("metadata.namespace") => NAMESPACE,
                Some("metadata.uid") => "11111111-2222-3333-4444-555555555555",
                Some(other) => bail!("a field that this test does not know: {other}"),
                None => variable["value"].as_str().context("no value")?,
            };
            let key = variable["name"].as_str().context("no name")?;
            found.push((key.to_owned(), value.to_owned()));
        }
        Ok(found)
    }

    /// The arguments of the first container, with variables filled in, and with files and addresses of this machine.
    fn arguments(
        &self,
        spec: &Value,
        environment: &[(String, String)],
    ) -> anyhow::Result<Vec<String>> {
        let container = &spec["containers"][0];
        let places = self.volumes(spec)?;
        let arguments = container["args"].as_array().context("no arguments")?;
        let filled = arguments.iter().map(|argument| {
            let mut argument = argument.as_str().unwrap_or_default().to_owned();
            for (key, value) in environment {
                argument = argument.replace(&format!("$({key})"), value);
            }
            for (path, folder) in &places {
                argument = argument.replace(path, &folder.to_string_lossy());
            }
            if argument.starts_with("--listen=") {
                "--listen=127.0.0.1:0".clone_into(&mut argument);
            }
            argument
        });
        Ok(filled.collect())
    }

    /// Makes each volume a folder: where it is mounted in the container, and where it is here.
    fn volumes(&self, spec: &Value) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let mounts = spec["containers"][0]["volumeMounts"].as_array();
        let mut places = Vec::new();
        for mount in mounts.into_iter().flatten() {
            let folder = self.folder.join(mount["name"].as_str().context("no name")?);
            std::fs::create_dir_all(&folder)?;
            let mut volumes = spec["volumes"].as_array().context("no volumes")?.iter();
            let volume = volumes
                .find(|one| one["name"] == mount["name"])
                .context("a mount of no volume")?;
            if volume["secret"].is_object() {
                self.write_secret(&volume["secret"], &folder)?;
            }
            let path = mount["mountPath"].as_str().context("no path")?;
            places.push((path.to_owned(), folder));
        }
        Ok(places)
    }

    /// Writes the keys of a Secret that a volume names, or all of them.
    fn write_secret(&self, volume: &Value, folder: &Path) -> anyhow::Result<()> {
        let name = volume["secretName"].as_str().context("no name")?;
        let read = |template: &str| {
            let template = format!("go-template={template}");
            let get = ["get", "secret", name, "--namespace", NAMESPACE, "-o"];
            let get = [&get[..], &[&template]].concat();
            let output = Kubectl(self.cluster).command(self.cluster.kubeconfig(), &get, "")?;
            ensure!(output.status.success(), "there is no Secret {name}");
            anyhow::Ok(output.stdout)
        };
        let files: Vec<(String, String)> = if let Some(items) = volume["items"].as_array() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let named = items.iter();
            named
                .map(|item| (text(&item["key"]), text(&item["path"])))
                .collect()
        } else {
            let keys = read("{{range $key, $_ := .data}}{{$key}} {{end}}")?;
            let keys = String::from_utf8(keys)?;
            let keys = keys.split_whitespace();
            keys.map(|key| (key.to_owned(), key.to_owned())).collect()
        };
        for (key, path) in files {
            let value = read(&format!("{{{{index .data {key:?} | base64decode}}}}"))?;
            std::fs::write(folder.join(path), value)?;
        }
        Ok(())
    }
}

/// A local AgentCore that has the reference agent as `support:prod`.
pub struct Sim {
    pub address: String,
    /// Kept so that it runs.
    _process: Process,
}

impl Sim {
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let settings = folder.join("settings.json");
        let quick = json!({"createDelayMs": 300, "updateDelayMs": 300, "deleteDelayMs": 300, "endpointDelayMs": 200});
        std::fs::write(&settings, quick.to_string())?;
        let sim = program("agentcore-sim")?;
        let mut command = Command::new(&sim);
        command.args(["serve", "--listen", "127.0.0.1:0", "--settings"]);
        command.arg(&settings);
        let process = Process::start(&mut command, folder.join("sim.log"), &[])?;
        let address = until("a local AgentCore", || {
            let text = process.text();
            let (_, rest) = text.split_once("http://").with_context(|| text.clone())?;
            Ok(rest.lines().next().unwrap_or_default().to_owned())
        })
        .await?;
        let push = Command::new(sim)
            .args(["push", "--endpoint", &format!("http://{address}")])
            .arg("--program")
            .arg(program("agentcore-agent")?)
            .arg("support:prod")
            .output()?;
        let stderr = String::from_utf8_lossy(&push.stderr);
        ensure!(push.status.success(), "cannot push: {stderr}");
        Ok(Self {
            address,
            _process: process,
        })
    }

    fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = get(&self.address, path)?;
        ensure!(status == 200, "{status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Names of the runtimes and endpoints that there are.
    pub fn left(&self) -> anyhow::Result<Vec<String>> {
        let state = self.ask("/_sim/state")?;
        let all = ["runtimes", "endpoints"].map(|kind| state[kind].as_array().cloned());
        let all = all.into_iter().flatten().flatten();
        Ok(all.map(|one| one["name"].to_string()).collect())
    }

    /// How often each operation was called.
    fn calls(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let calls = self.ask("/_sim/calls")?;
        Ok(serde_json::from_value(calls["byOperation"].clone())?)
    }

    /// How often runtimes were looked at.
    pub fn looks(&self) -> anyhow::Result<u64> {
        let calls = self.calls()?;
        let looks = ["ListAgentRuntimes", "GetAgentRuntime"];
        Ok(looks.iter().filter_map(|name| calls.get(*name)).sum())
    }

    /// How often anything was made or changed, or tried to be; deletions are not counted.
    pub fn changes(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let others = ["Get", "List", "Describe", "BatchGet", "Head", "Delete"];
        let mut calls = self.calls()?;
        calls.retain(|name, _| !others.iter().any(|verb| name.starts_with(verb)));
        Ok(calls)
    }
}
