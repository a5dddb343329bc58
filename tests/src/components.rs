use std::borrow::Cow;
use std::path::PathBuf;

/// Something real that a suite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Socket of a Docker engine of the tests' own.
    Docker,
    /// Socket of a Podman service of the tests' own.
    Podman,
    /// Kubeconfig of a real API server.
    Reference,
    /// Stock kubectl of the oldest minor that may exec.
    OldestKubectl,
    /// Stock kubectl of a minor ≤ 1.34.
    OlderKubectl,
    /// Stock kubectl of a minor ≥ 1.35.
    NewerKubectl,
    /// What `hack/suites` has for this suite: its name as there, which `KOAN_TEST_REQUIRE` names too.
    Suite(&'static str),
}

impl Component {
    fn variable(self) -> Cow<'static, str> {
        match self {
            Self::Docker => "KOAN_TEST_DOCKER_SOCKET".into(),
            Self::Podman => "KOAN_TEST_PODMAN_SOCKET".into(),
            Self::Reference => "KOAN_TEST_REFERENCE_KUBECONFIG".into(),
            Self::OldestKubectl => "KOAN_TEST_KUBECTL_1_30".into(),
            Self::OlderKubectl => "KOAN_TEST_KUBECTL_1_34".into(),
            Self::NewerKubectl => "KOAN_TEST_KUBECTL_1_36".into(),
            Self::Suite(name) => format!("KOAN_TEST_{}", name.to_uppercase().replace('-', "_")).into(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Reference => "reference",
            Self::OldestKubectl | Self::OlderKubectl | Self::NewerKubectl => "kubectl",
            Self::Suite(name) => name,
        }
    }
}

/// The path of a component; `None` after `SKIPPED` was printed.
///
/// # Panics
/// The component is missing and required.
pub fn component(suite: &str, wanted: Component) -> Option<PathBuf> {
    let path = std::env::var_os(&*wanted.variable()).map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        let required = std::env::var("KOAN_TEST_REQUIRE").unwrap_or_default();
        let missing = format!("{suite}: {} is not there; hack/test starts it", wanted.variable());
        assert!(!required.split(',').any(|word| word == wanted.word()), "{missing}");
        println!("SKIPPED {missing}");
    }
    path
}
