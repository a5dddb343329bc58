use std::path::{Path, PathBuf};

use koan_tests::{Component, Koan, Output, component};

/// A server that kubectl talks to.
pub(super) enum Place {
    /// A server of its own without a controller, which ends with it.
    Koan(Koan),
    /// The reference, which is tidied after every session.
    Reference(PathBuf),
}

impl Place {
    pub(super) fn koan() -> Self {
        let koan = Koan::new();
        koan.run(&["serve", "--background", "--no-controller"]).expect_code(0);
        Self::Koan(koan)
    }

    /// # Panics
    /// None runs.
    pub(super) fn reference() -> Self {
        Self::Reference(component("kubectl", Component::Reference).expect("a reference to record from: hack/reference up"))
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Koan(koan) => koan.home().join("kubeconfig"),
            Self::Reference(path) => path.clone(),
        }
    }

    /// Gives the reference Koan's kinds and takes from it what an earlier session left.
    pub(super) fn prepare(&self, shell: &dyn Fn(&str) -> Output) {
        match self {
            Self::Koan(_) => {}
            Self::Reference(_) => tidy(shell),
        }
    }
}

fn tidy(shell: &dyn Fn(&str) -> Output) {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let lines = [
        format!("kubectl apply --server-side --force-conflicts --field-manager=koan.dev/crds -f {}", crds.display()),
        "kubectl wait --for=condition=Established crd/devstacks.koan.dev crd/servicespecs.koan.dev".to_owned(),
        "kubectl get ns -o name | grep -vE '/(default|kube-.*)$' | xargs -r kubectl delete".to_owned(),
        "kubectl get crd -o name | grep -v '[.]koan[.]dev$' | xargs -r kubectl delete".to_owned(),
        "kubectl delete deployments,jobs,cronjobs,hpa,pods,roles,quota,secrets,devstacks,servicespecs,leases,events --all"
            .to_owned(),
        "kubectl delete configmaps --field-selector metadata.name!=kube-root-ca.crt".to_owned(),
        "kubectl delete serviceaccounts --field-selector metadata.name!=default".to_owned(),
        "kubectl delete services --field-selector metadata.name!=kubernetes".to_owned(),
    ];
    for line in lines {
        shell(&line).expect_code(0);
    }
}
