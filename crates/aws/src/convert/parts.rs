//! The smaller members of a configuration: network, protocol, file systems, ports.

use agentcore_api::runtime::{
    AccessPoint, AllowedPort, CapacityProviderVolume, Filesystem, Network, NetworkMode, PortRange,
    ServerProtocol, SessionStorage, Vpc,
};
use agentcore_plan::aws::ProtocolConfig;
use aws_sdk_bedrockagentcorecontrol::types as sdk;

use super::{Converted, Mismatch, exactly_one, spellings};

/// `require_service_s3_endpoint` travels inside the VPC's configuration, and only on an Update.
pub(super) fn network_to_sdk(
    network: &Network,
    require_service_s3_endpoint: Option<bool>,
) -> Converted<sdk::NetworkConfiguration> {
    let Network { mode, vpc } = network;
    let vpc = match vpc {
        None => None,
        Some(Vpc {
            subnets,
            security_groups,
        }) => Some(
            sdk::VpcConfig::builder()
                .set_subnets(Some(subnets.clone()))
                .set_security_groups(Some(security_groups.clone()))
                .set_require_service_s3_endpoint(require_service_s3_endpoint)
                .build()?,
        ),
    };
    Ok(sdk::NetworkConfiguration::builder()
        .network_mode(mode_to_sdk(mode))
        .set_network_mode_config(vpc)
        .build()?)
}

/// The network, and `requireServiceS3Endpoint` apart from it.
pub(super) fn network_from_sdk(network: &sdk::NetworkConfiguration) -> (Network, Option<bool>) {
    let config = network.network_mode_config();
    let vpc = config.map(|config| Vpc {
        subnets: config.subnets().to_vec(),
        security_groups: config.security_groups().to_vec(),
    });
    let mode = mode_from_sdk(network.network_mode());
    let require_service_s3_endpoint = config.and_then(sdk::VpcConfig::require_service_s3_endpoint);
    (Network { mode, vpc }, require_service_s3_endpoint)
}

spellings!(mode_to_sdk, mode_from_sdk, NetworkMode, sdk::NetworkMode, {
    Public = Public,
    Vpc = Vpc,
});

spellings!(protocol_name_to_sdk, protocol_name_from_sdk, ServerProtocol, sdk::ServerProtocol, {
    Http = Http,
    Mcp = Mcp,
    A2a = A2A,
    Agui = Agui,
});

/// What is said of the protocol; `None`: nothing.
pub(super) fn protocol_to_sdk(
    protocol: &ProtocolConfig,
) -> Converted<Option<sdk::ProtocolConfiguration>> {
    if *protocol == ProtocolConfig::default() {
        return Ok(None);
    }
    // The API takes no port and no path without a protocol.
    let (server_protocol, ..) = protocol.in_force();
    let ProtocolConfig {
        server_protocol: _,
        port,
        path,
    } = protocol;
    let said = sdk::ProtocolConfiguration::builder()
        .server_protocol(protocol_name_to_sdk(&server_protocol))
        .set_port(*port)
        .set_path(path.clone());
    Ok(Some(said.build()?))
}

pub(super) fn protocol_from_sdk(protocol: &sdk::ProtocolConfiguration) -> ProtocolConfig {
    ProtocolConfig {
        server_protocol: Some(protocol_name_from_sdk(protocol.server_protocol())),
        port: protocol.port(),
        path: protocol.path().map(ToOwned::to_owned),
    }
}

pub(super) fn filesystem_to_sdk(
    filesystem: &Filesystem,
) -> Converted<sdk::FilesystemConfiguration> {
    use sdk::FilesystemConfiguration as To;
    let Filesystem {
        session_storage,
        s3_files_access_point,
        efs_access_point,
        capacity_provider_volume,
        s3_bucket_mount: _, // the SDK does not have it: beyond
    } = filesystem;
    let session_storage = session_storage
        .as_ref()
        .map(|SessionStorage { mount_path }| {
            let storage = sdk::SessionStorageConfiguration::builder();
            Ok(To::SessionStorage(storage.mount_path(mount_path).build()?))
        });
    let s3 = s3_files_access_point.as_ref().map(|point| {
        let AccessPoint {
            access_point_arn,
            mount_path,
        } = point;
        let point = sdk::S3FilesAccessPointConfiguration::builder()
            .access_point_arn(access_point_arn)
            .mount_path(mount_path);
        Ok(To::S3FilesAccessPoint(point.build()?))
    });
    let efs = efs_access_point.as_ref().map(|point| {
        let AccessPoint {
            access_point_arn,
            mount_path,
        } = point;
        let point = sdk::EfsAccessPointConfiguration::builder()
            .access_point_arn(access_point_arn)
            .mount_path(mount_path);
        Ok(To::EfsAccessPoint(point.build()?))
    });
    let volume = capacity_provider_volume.as_ref().map(|volume| {
        let CapacityProviderVolume {
            volume_name,
            mount_path,
        } = volume;
        let volume = sdk::CapacityProviderVolumeConfiguration::builder()
            .volume_name(volume_name)
            .mount_path(mount_path);
        Ok(To::CapacityProviderVolume(volume.build()?))
    });
    exactly_one(
        "filesystemConfigurations",
        [session_storage, s3, efs, volume],
    )?
}

pub(super) fn filesystem_from_sdk(
    filesystem: &sdk::FilesystemConfiguration,
) -> Converted<Filesystem> {
    use sdk::FilesystemConfiguration as From;
    let mut ours = Filesystem {
        session_storage: None,
        s3_files_access_point: None,
        efs_access_point: None,
        capacity_provider_volume: None,
        s3_bucket_mount: None,
    };
    match filesystem {
        From::SessionStorage(storage) => {
            ours.session_storage = Some(SessionStorage {
                mount_path: storage.mount_path().to_owned(),
            });
        }
        From::S3FilesAccessPoint(point) => {
            ours.s3_files_access_point = Some(AccessPoint {
                access_point_arn: point.access_point_arn().to_owned(),
                mount_path: point.mount_path().to_owned(),
            });
        }
        From::EfsAccessPoint(point) => {
            ours.efs_access_point = Some(AccessPoint {
                access_point_arn: point.access_point_arn().to_owned(),
                mount_path: point.mount_path().to_owned(),
            });
        }
        From::CapacityProviderVolume(volume) => {
            ours.capacity_provider_volume = Some(CapacityProviderVolume {
                volume_name: volume.volume_name().to_owned(),
                mount_path: volume.mount_path().to_owned(),
            });
        }
        _ => return Err(Mismatch::unknown_arm("filesystemConfigurations")),
    }
    Ok(ours)
}

pub(super) fn port_to_sdk(port: &AllowedPort) -> Converted<sdk::AllowedPort> {
    let AllowedPort { port, port_range } = port;
    let one = port.map(|port| Ok(sdk::AllowedPort::Port(port)));
    let several = port_range.as_ref().map(|PortRange { from, to }| {
        let range = sdk::PortRange::builder().from(*from).to(*to).build()?;
        Ok(sdk::AllowedPort::PortRange(range))
    });
    exactly_one("allowedPorts", [one, several])?
}

pub(super) fn port_from_sdk(port: &sdk::AllowedPort) -> Converted<AllowedPort> {
    let (port, port_range) = match port {
        sdk::AllowedPort::Port(port) => (Some(*port), None),
        sdk::AllowedPort::PortRange(range) => (
            None,
            Some(PortRange {
                from: range.from(),
                to: range.to(),
            }),
        ),
        _ => return Err(Mismatch::unknown_arm("allowedPorts")),
    };
    Ok(AllowedPort { port, port_range })
}
