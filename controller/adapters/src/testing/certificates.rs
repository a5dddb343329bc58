//! Certificates of the tests' own authority, and servers that show them.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use koan_core::probe::{Tls, TlsMode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::servers::place;

/// What is right or wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Signed by our authority, for 127.0.0.1 and localhost.
    None,
    /// It ended long ago.
    Expired,
    /// It names another host.
    OtherName,
    /// Signed by itself, as `openssl req -x509` does.
    SelfSigned,
}

/// A folder with an authority and the certificate of a server.
pub(crate) struct Papers {
    folder: tempfile::TempDir,
    flaw: Flaw,
}

impl Papers {
    /// Makes both.
    pub(crate) fn new(flaw: Flaw) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let names = if flaw == Flaw::OtherName { ["db.test"].to_vec() } else { ["127.0.0.1", "localhost"].to_vec() };
        let mut leaf = CertificateParams::new(names.into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        if flaw == Flaw::Expired {
            leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
            leaf.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, "tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let [own, key] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
        let signed = if flaw == Flaw::SelfSigned {
            leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            leaf.self_signed(&key).unwrap()
        } else {
            leaf.signed_by(&key, &Issuer::from_params(&authority, &own)).unwrap()
        };
        fs::write(folder.path().join("ca.pem"), authority.self_signed(&own).unwrap().pem()).unwrap();
        fs::write(folder.path().join("server.pem"), signed.pem()).unwrap();
        fs::write(folder.path().join("server.key"), key.serialize_pem()).unwrap();
        Self { folder, flaw }
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// What a candidate demands that trusts the authority; of a self-signed server, its own certificate.
    pub(crate) fn demand(&self, mode: TlsMode) -> Tls {
        let file = if self.flaw == Flaw::SelfSigned { "server.pem" } else { "ca.pem" };
        Tls { mode, authorities: Some(self.path(file)) }
    }

    /// Turns TLS on in the files of a server that is about to start under an account: beside plain text for PostgreSQL and MariaDB,
    /// alone for Redis and, after its greeting, NATS. MariaDB is told of it by [`Papers::words`].
    pub(crate) fn turn_on(&self, adapter: &str, home: &Path, uid: u32, more: &str) {
        let [certificate, key] = ["server.pem", "server.key"].map(|name| self.copy(name, home, uid));
        let configuration = match adapter {
            "postgres" => place(home, "/var/lib/postgresql/cluster/postgresql.conf"),
            "nats" => place(home, "/run/koan/nats.conf"),
            "mariadb" => return,
            _redis => place(home, "/run/koan/redis.conf"),
        };
        let before = fs::read_to_string(&configuration).unwrap();
        let after = match adapter {
            "postgres" => format!(
                "{before}\nssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\nlog_connections = on\n{more}\n"
            ),
            "nats" => format!("{before}\ntls {{\n  cert_file: \"{certificate}\"\n  key_file: \"{key}\"\n}}\n"),
            _redis => format!(
                "{}tls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {certificate}\n{}\n",
                before.replacen("\nport ", "\nport 0\ntls-port ", 1),
                if more.is_empty() { "tls-auth-clients no" } else { more }
            ),
        };
        fs::remove_file(&configuration).unwrap();
        fs::write(&configuration, after).unwrap();
        give(&configuration, uid);
    }

    /// What a server is told on its command line.
    pub(crate) fn words(adapter: &str) -> &'static [&'static str] {
        if adapter == "mariadb" { &["--ssl-cert={home}/server.pem", "--ssl-key={home}/server.key"] } else { &[] }
    }

    fn copy(&self, name: &str, home: &Path, uid: u32) -> String {
        let copy: PathBuf = home.join(name);
        fs::copy(self.folder.path().join(name), &copy).unwrap();
        give(&copy, uid);
        copy.to_string_lossy().into_owned()
    }
}

fn give(path: &Path, uid: u32) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(path, Some(uid), None).unwrap();
    }
}
