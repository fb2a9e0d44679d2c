//! The server's certificate and key: read from files, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

/// How often the files are looked at. Kubernetes swaps a mounted Secret's symbolic link, so that only the content tells.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate and its key cannot be used. The file is named, its content is not.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// It is not PEM.
    #[error("{} is not PEM", path.display())]
    Pem {
        /// File.
        path: PathBuf,
        /// Cause.
        source: pem::Error,
    },
    /// PEM, and no certificate in it.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// PEM, and no private key in it.
    #[error("{} holds no private key (PKCS #8, PKCS #1 or SEC 1)", .0.display())]
    NoKey(PathBuf),
    /// A certificate that is broken, or a key that is not its own or of no known kind.
    #[error("the key in {} cannot serve the certificate in {}", key.display(), certificate.display())]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Cause.
        source: rustls::Error,
    },
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A certificate and its key that follow their files.
#[derive(Debug)]
pub struct Reloading {
    files: Files,
    /// SHA-256 of what was read last, certificate and key.
    seen: [[u8; 32]; 2],
    current: Arc<Current>,
    every: Duration,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What the next handshake uses.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Reloading {
    /// Reads a certificate (with its chain, leaf first) and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub async fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let content = files.read().await?;
        let pair = files.pair(&content)?;
        Ok(Self {
            files,
            seen: content.digests(),
            current: Arc::new(Current(ArcSwap::from_pointee(pair))),
            every: LOOK_EVERY,
        })
    }

    /// Looks at the files this often instead.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// TLS 1.2 and 1.3 with aws-lc-rs, HTTP/2 offered before HTTP/1.1.
    pub(super) fn config(&self) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Follows the files for ever. A pair that cannot be used is refused in the log, once, and the last good one stays.
    pub(super) async fn follow(mut self) {
        let mut complained = None;
        loop {
            tokio::time::sleep(self.every).await;
            match self.look().await {
                Ok(false) => {}
                Ok(true) => {
                    complained = None;
                    tracing::info!(certificate = %self.files.certificate.display(), "new certificate in use");
                }
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    if complained.as_ref() != Some(&error) {
                        tracing::warn!(%error, "cannot use the changed certificate, keeping the previous one");
                        complained = Some(error);
                    }
                }
            }
        }
    }

    /// Whether there was something new.
    pub(super) async fn look(&mut self) -> Result<bool, TlsError> {
        let content = self.files.read().await?;
        if content.digests() == self.seen {
            return Ok(false);
        }
        let pair = self.files.pair(&content)?;
        self.current.0.store(Arc::new(pair));
        self.seen = content.digests();
        Ok(true)
    }
}

impl Content {
    fn digests(&self) -> [[u8; 32]; 2] {
        [&self.certificate, &self.key].map(|content| Sha256::digest(content).into())
    }
}

impl Files {
    async fn read(&self) -> Result<Content, TlsError> {
        let read = async |path: &Path| {
            tokio::fs::read(path)
                .await
                .map_err(|source| TlsError::Read {
                    path: path.to_owned(),
                    source,
                })
        };
        Ok(Content {
            certificate: read(&self.certificate).await?,
            key: read(&self.key).await?,
        })
    }

    fn pair(&self, content: &Content) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| TlsError::Pem {
                path: self.certificate.clone(),
                source,
            })?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&content.key).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey(self.key.clone()),
            source => TlsError::Pem {
                path: self.key.clone(),
                source,
            },
        })?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|source| TlsError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

/// The one crypto provider of the program, named here so that nothing depends on what is installed for the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
