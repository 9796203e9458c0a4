//! Encrypted connections.

use std::path::Path;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use redis::{Client, ConnectionInfo, TlsCertificates};

use crate::error::{Effect, from_redis};

/// The way to a server over an encrypted connection.
pub(crate) fn client(info: ConnectionInfo, ca_file: Option<&Path>) -> BackendResult<Client> {
    // The application may have chosen another one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root_cert = ca_file.map(read).transpose()?;
    let certificates = TlsCertificates { client_tls: None, root_cert };
    Client::build_with_tls(info, certificates)
        .map_err(|error| from_redis("connect", Effect::Reads, error))
}

fn read(path: &Path) -> BackendResult<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let text = format!("cannot read `ca_file` {}", path.display());
        BackendError::new(BackendErrorKind::Invalid, "connect", text).source(error)
    })
}
