//! What runs: container images and code.

use agentcore_api::runtime::{Artifact, Code, CodeRuntime, Container, S3Location};
use aws_sdk_bedrockagentcorecontrol::types as sdk;

use super::{Converted, Mismatch, exactly_one, spellings};

const FIELD: &str = "agentRuntimeArtifact";

pub(super) fn to_sdk(artifact: &Artifact) -> Converted<sdk::AgentRuntimeArtifact> {
    let Artifact { container, code } = artifact;
    let container = container.as_ref().map(|container| {
        // Which image is meant is decided before it is sent.
        let Container { image, follow: _ } = container;
        let container = sdk::ContainerConfiguration::builder()
            .container_uri(image)
            .build()?;
        Ok(sdk::AgentRuntimeArtifact::ContainerConfiguration(container))
    });
    let code = code
        .as_ref()
        .map(|code| code_to_sdk(code).map(sdk::AgentRuntimeArtifact::CodeConfiguration));
    exactly_one(FIELD, [container, code])?
}

fn code_to_sdk(code: &Code) -> Converted<sdk::CodeConfiguration> {
    let Code {
        runtime,
        entry_point,
        s3,
        follow: _,
    } = code;
    let S3Location {
        bucket,
        prefix,
        version_id,
    } = s3;
    let location = sdk::S3Location::builder()
        .bucket(bucket)
        .prefix(prefix)
        .set_version_id(version_id.clone())
        .build()?;
    Ok(sdk::CodeConfiguration::builder()
        .runtime(code_runtime_to_sdk(runtime))
        .set_entry_point(Some(entry_point.clone()))
        .code(sdk::Code::S3(location))
        .build()?)
}

/// Of an absent artifact neither member is given: that differs from every wish.
pub(super) fn from_sdk(artifact: Option<&sdk::AgentRuntimeArtifact>) -> Converted<Artifact> {
    let (container, code) = match artifact {
        None => (None, None),
        Some(sdk::AgentRuntimeArtifact::ContainerConfiguration(container)) => {
            let image = container.container_uri().to_owned();
            let follow = None;
            (Some(Container { image, follow }), None)
        }
        Some(sdk::AgentRuntimeArtifact::CodeConfiguration(code)) => {
            (None, Some(code_from_sdk(code)?))
        }
        Some(_) => return Err(Mismatch::unknown_arm(FIELD)),
    };
    Ok(Artifact { container, code })
}

fn code_from_sdk(code: &sdk::CodeConfiguration) -> Converted<Code> {
    let s3 = match code.code() {
        Some(sdk::Code::S3(location)) => S3Location {
            bucket: location.bucket().to_owned(),
            prefix: location.prefix().to_owned(),
            version_id: location.version_id().map(ToOwned::to_owned),
        },
        Some(_) => return Err(Mismatch::unknown_arm("codeConfiguration.code")),
        None => return Err(Mismatch::missing("codeConfiguration.code")),
    };
    Ok(Code {
        runtime: code_runtime_from_sdk(code.runtime()),
        entry_point: code.entry_point().to_vec(),
        s3,
        follow: None,
    })
}

spellings!(code_runtime_to_sdk, code_runtime_from_sdk, CodeRuntime, sdk::AgentManagedRuntimeType, {
    Python310 = Python310,
    Python311 = Python311,
    Python312 = Python312,
    Python313 = Python313,
    Python314 = Python314,
    Node22 = Node22,
});
