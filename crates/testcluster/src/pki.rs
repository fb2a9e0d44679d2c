//! The cluster's own certificate authority and what it issues: made anew for every cluster, never reused.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Names under which kube-apiserver is reached; the address is that of `kubernetes.default` in 10.0.0.0/24.
const SERVER_NAMES: [&str; 6] = [
    "127.0.0.1",
    "localhost",
    "10.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// Keys and certificates of one cluster, all ECDSA P-256.
pub(crate) struct Pki {
    /// Certificate of the authority, PEM.
    pub(crate) ca_pem: String,
    /// Client certificate of user `admin` in group `system:masters`, PEM.
    pub(crate) admin_pem: String,
    /// Its private key, PKCS #8 PEM.
    pub(crate) admin_key_pem: String,
    /// The authority's certificate as a file.
    pub(crate) ca_file: PathBuf,
    /// kube-apiserver's certificate and key.
    pub(crate) server_files: KeyFiles,
    /// What ServiceAccount tokens are verified and signed with.
    pub(crate) service_account_files: KeyFiles,
}

/// A public part (certificate or public key) and its private key, as PEM files.
pub(crate) struct KeyFiles {
    pub(crate) public: PathBuf,
    pub(crate) private: PathBuf,
}

impl Pki {
    /// Makes everything and writes into `dir` what the programs read from files.
    pub(crate) fn create(dir: &Path) -> anyhow::Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "testcluster");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let mut server = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (server_pem, server_key_pem) = issue(server, &issuer)?;

        let mut admin = CertificateParams::default();
        admin.distinguished_name.push(DnType::CommonName, "admin");
        admin
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (admin_pem, admin_key_pem) = issue(admin, &issuer)?;

        let tokens = KeyPair::generate()?;
        let file = |name: &str, content: &str| write_private(&dir.join(name), content);
        Ok(Self {
            ca_file: file("ca.crt", &ca_pem)?,
            server_files: KeyFiles {
                public: file("server.crt", &server_pem)?,
                private: file("server.key", &server_key_pem)?,
            },
            service_account_files: KeyFiles {
                public: file("service-accounts.pub", &tokens.public_key_pem())?,
                private: file("service-accounts.key", &tokens.serialize_pem())?,
            },
            ca_pem,
            admin_pem,
            admin_key_pem,
        })
    }
}

/// Issues a leaf with a key of its own: certificate and key, both PEM.
fn issue(
    mut leaf: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> anyhow::Result<(String, String)> {
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((leaf.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner may read, replacing an older one, and returns its path.
pub(crate) fn write_private(path: &Path, content: &str) -> anyhow::Result<PathBuf> {
    let write = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(content.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
