//! What the caller tells the engine: where it listens, which dialect it speaks, where secret files may lie.

use std::fmt;
use std::path::PathBuf;

use koan_crds::v1alpha1::{EngineName, FailureClass};

use super::dialect::Dialect;
use super::logins::RegistryLogins;

/// Everything the engine needs from outside; it reads no environment itself.
#[derive(Clone, Debug)]
pub struct MobyOptions {
    /// Where the engine listens.
    pub endpoint: Endpoint,
    /// Other places where it might have listened, for the words about one that is absent.
    pub looked_at: Vec<Endpoint>,
    /// What is known of it.
    pub dialect: &'static Dialect,
    /// Folder of the state directory for mounted secret files; made 0700 (DET-24).
    pub secrets_dir: PathBuf,
    /// Cores of this machine; the start width begins at twice that (PERF-84).
    pub cores: usize,
    /// Where logins of image registries stand.
    pub logins: RegistryLogins,
}

/// Address of an engine's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Absolute path of a Unix socket.
    Unix(PathBuf),
    /// Name of a Windows pipe, `//./pipe/…`.
    Pipe(String),
}

/// An address that Koan does not speak to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Plain TCP gives root to whoever reaches the port (SEC-6).
    #[error(
        "engine address {address} is plain TCP, which gives root on that machine to everybody who reaches the port; use a unix:// socket, for a remote engine one that ssh -L forwards"
    )]
    PlainTcp {
        /// The address.
        address: String,
    },
    /// A scheme or form that is not known.
    #[error("engine address {address} is not understood; use unix:///absolute/path or npipe:////./pipe/name")]
    Unknown {
        /// The address.
        address: String,
    },
}

impl EndpointError {
    /// Class of the failure.
    pub fn class(&self) -> FailureClass {
        FailureClass::Invalid
    }
}

impl Endpoint {
    /// Reads the text of `DOCKER_HOST`, `CONTAINER_HOST` or a context.
    ///
    /// # Errors
    /// [`EndpointError::PlainTcp`] for `tcp://` and `http://`; [`EndpointError::Unknown`] for everything else that is no local socket.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        let unknown = || EndpointError::Unknown { address: address.to_owned() };
        let (scheme, rest) = address.split_once("://").unwrap_or(("unix", address));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "npipe" if !rest.is_empty() => Ok(Self::Pipe(rest.to_owned())),
            "tcp" | "http" => Err(EndpointError::PlainTcp { address: address.to_owned() }),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Pipe(name) => write!(formatter, "npipe://{name}"),
        }
    }
}

/// Facts of the machine that decide where an engine may listen; the caller gathers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// It runs Windows.
    pub windows: bool,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// Home folder.
    pub home: Option<PathBuf>,
    /// User id.
    pub user_id: u32,
}

/// Where an engine listens unless its environment variable says otherwise, in order (CLI-38). Empty for engines without a socket.
pub fn default_endpoints(engine: EngineName, facts: &HostFacts) -> Vec<Endpoint> {
    let unix = |path: PathBuf| Endpoint::Unix(path);
    let runtime = facts.runtime_dir.clone().unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", facts.user_id)));
    match (engine, facts.windows) {
        (EngineName::Docker, true) => ["//./pipe/docker_engine", "//./pipe/dockerDesktopLinuxEngine"]
            .into_iter()
            .map(|name| Endpoint::Pipe(name.to_owned()))
            .collect(),
        (EngineName::Podman, true) => vec![Endpoint::Pipe("//./pipe/podman-machine-default".to_owned())],
        (EngineName::Docker, false) => {
            let mut list = vec![unix(PathBuf::from("/var/run/docker.sock")), unix(runtime.join("docker.sock"))];
            if let Some(home) = &facts.home {
                list.push(unix(home.join(".docker/run/docker.sock")));
                list.push(unix(home.join(".docker/desktop/docker.sock")));
            }
            list
        }
        (EngineName::Podman, false) => {
            let system = unix(PathBuf::from("/run/podman/podman.sock"));
            let own = unix(runtime.join("podman/podman.sock"));
            let mut list = if facts.user_id == 0 { vec![system, own] } else { vec![own, system] };
            if let Some(home) = &facts.home {
                list.push(unix(home.join(".local/share/containers/podman/machine/podman.sock")));
            }
            list
        }
        (EngineName::Auto | EngineName::Process | EngineName::Kubernetes, _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEC-6: a plain TCP engine address is refused, and the text says why and what to use.
    #[test]
    fn sec_6_plain_tcp_is_refused() {
        for address in ["tcp://10.0.0.1:2375", "http://localhost:2375"] {
            let error = Endpoint::parse(address).unwrap_err();
            assert_eq!(error, EndpointError::PlainTcp { address: address.to_owned() });
            assert_eq!(error.class(), FailureClass::Invalid);
        }
    }

    /// CLI-38: sockets and pipes are understood, everything else is named in the error.
    #[test]
    fn socket_and_pipe_addresses_round_trip() {
        for address in ["unix:///run/x.sock", "npipe:////./pipe/docker_engine"] {
            assert_eq!(Endpoint::parse(address).unwrap().to_string(), address);
        }
        assert_eq!(Endpoint::parse("/run/x.sock").unwrap().to_string(), "unix:///run/x.sock");
        for address in ["", "unix://relative", "ssh://host", "fd://"] {
            assert_eq!(Endpoint::parse(address), Err(EndpointError::Unknown { address: address.to_owned() }));
        }
    }

    /// CLI-38: default places per engine, the person's own socket first for Podman, pipes in order on Windows.
    #[test]
    fn default_places_follow_the_platform() {
        let facts = HostFacts { user_id: 1000, home: Some("/home/u".into()), ..HostFacts::default() };
        let text = |engine, facts: &HostFacts| -> Vec<String> {
            default_endpoints(engine, facts).iter().map(ToString::to_string).collect()
        };
        assert_eq!(text(EngineName::Docker, &facts)[..2], ["unix:///var/run/docker.sock", "unix:///run/user/1000/docker.sock"]);
        assert_eq!(text(EngineName::Podman, &facts)[0], "unix:///run/user/1000/podman/podman.sock");
        let root = HostFacts::default();
        assert_eq!(text(EngineName::Podman, &root)[0], "unix:///run/podman/podman.sock");
        let windows = HostFacts { windows: true, ..HostFacts::default() };
        assert_eq!(
            text(EngineName::Docker, &windows),
            ["npipe:////./pipe/docker_engine", "npipe:////./pipe/dockerDesktopLinuxEngine"]
        );
        assert!(text(EngineName::Process, &facts).is_empty());
    }
}
