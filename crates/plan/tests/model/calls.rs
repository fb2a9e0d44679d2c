//! The calls of the modelled control plane, but the list.

use agentcore_api::runtime::ServerProtocol;
use agentcore_plan::aws::{
    Endpoint, EndpointAccepted, LifecycleConfig, ListedVersion, Runtime, RuntimeAccepted,
    RuntimeConfig, ServiceStatus, Tags,
};
use agentcore_plan::fault::Class;

use super::{ACCOUNT, Answer, Aws, Done, Ep, Rt, default, fault, image, none, shown};

/// AWS's own defaults where a request says nothing; they are not those that are documented.
fn reset(config: &mut RuntimeConfig) {
    let LifecycleConfig {
        idle_timeout_seconds: idle,
        max_lifetime_seconds: most,
    } = &mut config.lifecycle;
    let most = *most.get_or_insert(7_777);
    idle.get_or_insert(777.min(most));
    config
        .protocol
        .server_protocol
        .get_or_insert(ServerProtocol::Mcp);
}

impl Aws {
    pub fn get(&mut self, id: &str) -> Answer<Runtime> {
        none(self.call("GetAgentRuntime", |aws| {
            let unknown = aws.unknown.clone();
            aws.rt(id).map(|rt| Runtime {
                arn: rt.arn.clone(),
                id: rt.id.clone(),
                name: rt.name.clone(),
                version: rt.version.to_string(),
                status: rt.status,
                failure_reason: rt.reason.clone(),
                created_at: rt.created,
                last_updated_at: rt.updated,
                workload_identity_arn: Some(
                    "arn:aws:bedrock-agentcore:us-east-1:111122223333:workload-identity/x".into(),
                ),
                config: rt.config.clone(),
                unknown,
            })
        }))
    }

    pub fn tags(&mut self, arn: &str) -> Answer<Tags> {
        none(self.call("ListTagsForResource", |aws| aws.tagged(arn).cloned()))
    }

    pub fn policy(&mut self, arn: &str) -> Answer<String> {
        let found = self.call("GetResourcePolicy", |aws| {
            aws.runtimes
                .iter()
                .find(|rt| rt.arn == arn)
                .map(|rt| rt.policy.clone())
                .ok_or(fault(Class::Gone, ""))
        });
        none(found).map(Option::flatten)
    }

    pub fn endpoints(&mut self, id: &str) -> Answer<Vec<Endpoint>> {
        none(self.call("ListAgentRuntimeEndpoints", |aws| {
            let rt = aws.rt(id)?;
            let mut all = vec![default(rt)];
            all.extend(rt.endpoints.iter().map(|ep| shown(rt, ep)));
            Ok(all)
        }))
    }

    pub fn endpoint(&mut self, id: &str, name: &str) -> Answer<Endpoint> {
        none(self.call("GetAgentRuntimeEndpoint", |aws| {
            let denied = aws.switches.deleted_is_denied;
            let rt = aws.rt(id)?;
            if name == "DEFAULT" {
                return Ok(default(rt));
            }
            let missing = if denied {
                fault(Class::Denied, "endpoint was not found")
            } else {
                fault(Class::Gone, "endpoint was not found")
            };
            rt.endpoints
                .iter()
                .find(|ep| ep.name == name)
                .map(|ep| shown(rt, ep))
                .ok_or(missing)
        }))
    }

    pub fn create(
        &mut self,
        name: &str,
        config: &RuntimeConfig,
        tags: &Tags,
        token: &str,
    ) -> Done<RuntimeAccepted> {
        self.call("CreateAgentRuntime", |aws| {
            assert!(token.len() >= 33, "client token too short");
            if let Some(Ok(answer)) = aws.tokens.get(token).cloned() {
                let lives = aws.runtimes.iter().any(|rt| rt.id == answer.id);
                if lives || aws.switches.replay_after_delete {
                    return Ok(answer);
                }
            }
            if aws.runtimes.iter().any(|rt| rt.name == name) {
                return Err(fault(
                    Class::Conflict,
                    "agent with the specified name already exists",
                ));
            }
            aws.image_check(config)?;
            aws.next += 1;
            let id = format!("{name}-{:010}", aws.next);
            let arn = format!("arn:aws:bedrock-agentcore:us-east-1:{ACCOUNT}:runtime/{id}");
            let mut config = config.clone();
            config.require_mmdsv2 = Some(true);
            config.platform_version.get_or_insert_with(|| "V2".into());
            reset(&mut config);
            aws.runtimes.push(Rt {
                id: id.clone(),
                arn: arn.clone(),
                name: name.into(),
                version: 1,
                status: ServiceStatus::Creating,
                reason: None,
                created: aws.now,
                updated: aws.now,
                until: aws.now + aws.work,
                config,
                good: None,
                tags: tags.clone(),
                policy: None,
                default_live: 0,
                default_since: aws.now,
                endpoints: Vec::new(),
                versions: [(1, ServiceStatus::Creating)].into(),
            });
            let answer = RuntimeAccepted {
                arn,
                id,
                version: "1".into(),
                status: ServiceStatus::Creating,
                workload_identity_arn: None,
            };
            aws.tokens.insert(token.into(), Ok(answer.clone()));
            Ok(answer)
        })
    }

    fn image_check(&self, config: &RuntimeConfig) -> Done<()> {
        if self.switches.sync_images && !self.healed && image(config).contains("broken") {
            return Err(fault(
                Class::NotYet,
                "The specified image identifier does not exist in the repository",
            ));
        }
        if image(config).contains("invalid") {
            return Err(fault(Class::Invalid, "this can never be"));
        }
        Ok(())
    }

    pub fn update(
        &mut self,
        id: &str,
        config: &RuntimeConfig,
        token: &str,
    ) -> Done<RuntimeAccepted> {
        self.call("UpdateAgentRuntime", |aws| {
            assert!(token.len() >= 33, "client token too short");
            if let Some(Ok(answer)) = aws.tokens.get(token).cloned() {
                return Ok(answer);
            }
            if aws.update_gone {
                return Err(fault(Class::Gone, "there is no such capacity provider"));
            }
            let (now, until, switches) = (aws.now, aws.now + aws.work, aws.switches);
            let failed = aws.rt(id)?.status;
            if failed.in_transition()
                || (failed == ServiceStatus::CreateFailed && switches.no_update_from_create_failed)
            {
                return Err(fault(Class::Conflict, "it is in a state that forbids this"));
            }
            aws.image_check(config)?;
            aws.unknown.clear();
            let rt = aws.rt(id)?;
            let mut next = config.clone();
            assert!(
                next.require_mmdsv2 != Some(false),
                "nobody wrote this false"
            );
            next.require_mmdsv2 = next.require_mmdsv2.or(rt.config.require_mmdsv2);
            if switches.keep_omitted {
                next.description = next.description.or_else(|| rt.config.description.clone());
                next.authorizer = next.authorizer.or_else(|| rt.config.authorizer.clone());
            }
            reset(&mut next);
            rt.config = next;
            rt.version += 1;
            rt.versions.insert(rt.version, ServiceStatus::Updating);
            rt.status = ServiceStatus::Updating;
            rt.updated = now;
            rt.until = until;
            let answer = RuntimeAccepted {
                arn: rt.arn.clone(),
                id: rt.id.clone(),
                version: rt.version.to_string(),
                status: ServiceStatus::Updating,
                workload_identity_arn: None,
            };
            aws.tokens.insert(token.into(), Ok(answer.clone()));
            Ok(answer)
        })
    }

    pub fn delete(&mut self, id: &str, token: &str) -> Done<()> {
        self.call("DeleteAgentRuntime", |aws| {
            if aws.spent.contains(token) && aws.runtimes.iter().any(|rt| rt.id == id) {
                return Ok(());
            }
            let (now, until) = (aws.now, aws.now + aws.work);
            let rt = aws.rt(id)?;
            if rt.status.in_transition() || !rt.endpoints.is_empty() {
                return Err(fault(Class::Conflict, "it is busy"));
            }
            rt.status = ServiceStatus::Deleting;
            rt.updated = now;
            rt.until = until;
            aws.spent.insert(token.into());
            Ok(())
        })
    }

    pub fn versions(&mut self, id: &str) -> Answer<Vec<ListedVersion>> {
        none(self.call("ListAgentRuntimeVersions", |aws| {
            let versions = aws.rt(id)?.versions.iter();
            Ok(versions
                .map(|(version, status)| ListedVersion {
                    version: version.to_string(),
                    status: *status,
                })
                .collect())
        }))
    }

    pub fn delete_version(&mut self, id: &str, version: &str) -> Done<()> {
        self.call("DeleteAgentRuntime", |aws| {
            let number: u32 = version.parse().unwrap();
            if aws.delete_refused {
                return Err(fault(Class::Denied, "not authorized"));
            }
            let rt = aws.rt(id)?;
            let used = rt
                .endpoints
                .iter()
                .any(|ep| ep.target == version || ep.live.as_deref() == Some(version));
            assert!(
                !used && rt.default_live != number && rt.version != number,
                "version {version} is in use"
            );
            if rt.status.in_transition() {
                return Err(fault(Class::Conflict, "it is busy"));
            }
            rt.versions
                .remove(&number)
                .map(drop)
                .ok_or(fault(Class::Gone, "version was not found"))
        })
    }

    pub fn put_tags(&mut self, arn: &str, tags: &Tags) -> Done<()> {
        self.call("TagResource", |aws| {
            aws.tagged(arn).map(|there| there.extend(tags.clone()))
        })
    }

    pub fn remove_tags(&mut self, arn: &str, keys: &[String]) -> Done<()> {
        self.call("UntagResource", |aws| {
            aws.tagged(arn)
                .map(|there| there.retain(|key, _| !keys.contains(key)))
        })
    }

    pub fn put_policy(&mut self, arn: &str, policy: Option<String>) -> Done<()> {
        self.call("PutResourcePolicy", |aws| {
            let rt = aws
                .runtimes
                .iter_mut()
                .find(|rt| rt.arn == arn)
                .ok_or(fault(Class::Gone, ""))?;
            rt.policy = policy;
            Ok(())
        })
    }

    pub fn create_endpoint(&mut self, id: &str, mut ep: Ep, token: &str) -> Done<EndpointAccepted> {
        self.call("CreateAgentRuntimeEndpoint", |aws| {
            let (now, until) = (aws.now, aws.now + aws.work);
            if let Some(Err(answer)) = aws.tokens.get(token).cloned()
                && aws.tagged(&answer.arn).is_ok()
            {
                return Ok(answer);
            }
            let rt = aws.rt(id)?;
            if rt.endpoints.iter().any(|there| there.name == ep.name) {
                return Err(fault(Class::Conflict, "endpoint exists"));
            }
            if !rt.versions.contains_key(&ep.target.parse::<u32>().unwrap()) {
                return Err(fault(Class::Gone, "version was not found"));
            }
            ep.arn = format!(
                "{}/runtime-endpoint/{}-{}",
                rt.arn,
                ep.name,
                now.as_second()
            );
            (ep.created, ep.updated, ep.until, ep.status) =
                (now, now, until, ServiceStatus::Creating);
            let answer = EndpointAccepted {
                arn: ep.arn.clone(),
                runtime_arn: rt.arn.clone(),
                live_version: None,
                target_version: Some(ep.target.clone()),
                status: ServiceStatus::Creating,
            };
            rt.endpoints.push(ep);
            aws.tokens.insert(token.into(), Err(answer.clone()));
            Ok(answer)
        })
    }

    pub fn update_endpoint(
        &mut self,
        id: &str,
        name: &str,
        version: &str,
        description: Option<String>,
        token: &str,
    ) -> Done<EndpointAccepted> {
        self.call("UpdateAgentRuntimeEndpoint", |aws| {
            if let Some(Err(answer)) = aws.tokens.get(token).cloned() {
                return Ok(answer);
            }
            let (now, until, keep) = (aws.now, aws.now + aws.work, aws.switches.keep_omitted);
            let rt = aws.rt(id)?;
            if !rt.versions.contains_key(&version.parse::<u32>().unwrap()) {
                return Err(fault(Class::Gone, "version was not found"));
            }
            let arn = rt.arn.clone();
            let ep = rt
                .endpoints
                .iter_mut()
                .find(|ep| ep.name == name)
                .ok_or(fault(Class::Gone, "endpoint was not found"))?;
            if ep.status.in_transition() {
                return Err(fault(Class::Conflict, "it is busy"));
            }
            ep.target = version.into();
            ep.description = if keep {
                description.or_else(|| ep.description.clone())
            } else {
                description
            };
            ep.unknown.clear();
            (ep.status, ep.updated, ep.until) = (ServiceStatus::Updating, now, until);
            let answer = EndpointAccepted {
                arn: ep.arn.clone(),
                runtime_arn: arn,
                live_version: ep.live.clone(),
                target_version: Some(ep.target.clone()),
                status: ServiceStatus::Updating,
            };
            aws.tokens.insert(token.into(), Err(answer.clone()));
            Ok(answer)
        })
    }

    pub fn delete_endpoint(&mut self, id: &str, name: &str) -> Done<()> {
        self.call("DeleteAgentRuntimeEndpoint", |aws| {
            let (now, until) = (aws.now, aws.now + aws.work);
            let rt = aws.rt(id)?;
            let ep = rt
                .endpoints
                .iter_mut()
                .find(|ep| ep.name == name)
                .ok_or(fault(Class::Gone, "endpoint was not found"))?;
            if ep.status != ServiceStatus::Deleting {
                (ep.status, ep.updated, ep.until) = (ServiceStatus::Deleting, now, until);
            }
            Ok(())
        })
    }
}
