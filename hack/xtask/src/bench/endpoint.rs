//! A Kubernetes API on loopback: its address, its authority and a token.

use super::http::Connection;
use anyhow::Result;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for one answer or event.
const PATIENCE: Duration = Duration::from_secs(180);

/// A connection to a server.
pub(crate) type Api = Connection<StreamOwned<ClientConnection, TcpStream>>;

/// Where a server listens and who may call.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    token: String,
}

impl Endpoint {
    /// `server` is `https://host:port`, `authority` its certificate in PEM.
    ///
    /// # Errors
    /// One of them is none.
    pub(crate) fn new(server: &str, authority: &[u8], token: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority) {
            roots.add(certificate?)?;
        }
        let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let address = server.trim_start_matches("https://").to_owned();
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned();
        Ok(Self { name: ServerName::try_from(host)?, address, config, token: token.to_owned() })
    }

    /// A new connection: TLS, HTTP/1.1, no Nagle.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn connect(&self) -> Result<Api> {
        let socket = TcpStream::connect(&self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        let Self { address, token, .. } = self;
        let headers = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n");
        Ok(Connection::new(StreamOwned::new(session, socket), &headers))
    }
}
