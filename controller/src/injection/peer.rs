//! Another service as its consumers see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use koan_core::candidate;
use koan_core::identity::ServiceKey;
use koan_core::outputs::{OutputSource, Outputs, outputs};
use koan_core::probe::{Address, CredentialRef, Tls, Vantage};
use koan_core::recipe::Recipe;
use koan_core::secret::Login;
use koan_core::validate::{ValidService, Workload, validate_service};
use koan_crds::names;
use koan_crds::v1alpha1::{Action, EngineName, ServiceSpec};
use kube::ResourceExt;

use super::bound::Place;
use super::login::login_at;
use crate::context::Context;
use crate::loopback::is_loopback;
use crate::reader::ReadError;

/// A service that somebody refers to: valid, decided, and with the login that works there.
pub(crate) struct Peer {
    /// The object.
    pub(crate) object: Arc<ServiceSpec>,
    /// The same, parsed.
    pub(crate) service: ValidService,
    /// Login of the service.
    pub(crate) login: Option<Login>,
    /// Verified TLS that the host service demands.
    tls: Option<Tls>,
    /// Somebody else runs it, on this host's loopback.
    on_loopback: bool,
    /// Version of the Secret that the login comes from; empty where it comes from none.
    credential_version: String,
}

/// Reads a service that somebody refers to; `None` where it is absent or invalid.
pub(crate) async fn peer(context: &Context, key: &ServiceKey) -> Result<Option<Peer>, ReadError> {
    let Some(object) = context.reader.service(&key.namespace, &key.name).await? else { return Ok(None) };
    let Ok(service) = validate_service(&object, context.recipes) else { return Ok(None) };
    let named = credential(&object, &service);
    let decision = object.status.as_ref().and_then(|status| status.decision.as_ref());
    let found = decision
        .filter(|decision| decision.action == Action::UseHostService)
        .and_then(|decision| candidate::parse(decision.endpoint.as_deref()?, main_port(&service, context)).ok());
    let (external, on_loopback) = match &service.workload {
        Workload::External(external) => (external.tls.clone(), is_loopback(context, &external.address).await),
        Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => (None, false),
    };
    let (endpoint, tls) = found.map_or((None, external), |parsed| (Some(parsed.address), parsed.tls));
    let method = decision.and_then(|decision| decision.detection_method);
    let place = endpoint.as_ref().map(|endpoint| Place { endpoint, method });
    let login = match &named {
        Some(credential) => login_at(context, &object, &service, credential, place).await?,
        None => None,
    };
    let secret = match named {
        Some(CredentialRef::Generated) => Some(names::credentials_secret(&key.name)),
        Some(CredentialRef::Manifest) => service.credentials.secret.clone(),
        Some(CredentialRef::Anonymous | CredentialRef::Candidate(_) | CredentialRef::Default(_)) | None => None,
    };
    let secret = match secret {
        Some(name) => context.reader.secret(&key.namespace, &name).await?,
        None => None,
    };
    let credential_version = secret.and_then(|secret| secret.resource_version()).unwrap_or_default();
    Ok(Some(Peer { object, service, login, tls, on_loopback, credential_version }))
}

impl Peer {
    /// Where consumers at a vantage connect to, as far as it was decided; the decision stands long before readiness, so
    /// consumers can be created ahead of their gates (PERF-84).
    pub(crate) fn address(&self, vantage: Vantage, context: &Context) -> Option<Address> {
        let status = self.object.status.as_ref()?;
        let decision = status.decision.as_ref().filter(|decision| decision.generation == self.object.metadata.generation)?;
        match decision.action {
            Action::UseHostService => self.host_address(vantage, decision.endpoint.as_deref()?, context),
            Action::NoAction => match &self.service.workload {
                Workload::External(external) if self.on_loopback => {
                    self.host_address(vantage, &external.address.to_string(), context)
                }
                Workload::External(external) => Some(external.address.clone()),
                Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => None,
            },
            Action::ProvisionContainer => self.workload_address(vantage, context),
        }
    }

    /// A host service: itself from the host, by what was proved to lead there from a container (DET-31).
    fn host_address(&self, vantage: Vantage, endpoint: &str, context: &Context) -> Option<Address> {
        let published = || self.object.status.as_ref()?.endpoints.as_ref();
        match vantage {
            Vantage::Host => self.parse(endpoint, context),
            Vantage::Stack => self.parse(published()?.stack.as_deref()?, context),
            Vantage::Cluster => self.parse(published()?.cluster.as_deref()?, context),
        }
    }

    /// A workload of ours: its published port from the host, its alias from a container of the stack.
    fn workload_address(&self, vantage: Vantage, context: &Context) -> Option<Address> {
        let status = self.object.status.as_ref()?;
        let container = self.main_port(context)?;
        let host = status.ports.iter().find(|port| port.container == container).map(|port| port.host);
        let process = status.workload.as_ref().is_some_and(|workload| workload.engine == EngineName::Process);
        match vantage {
            Vantage::Host => Some(Address::Tcp { host: "127.0.0.1".to_owned(), port: host? }),
            Vantage::Stack if process => self.parse(status.endpoints.as_ref()?.stack.as_deref()?, context),
            Vantage::Stack => {
                let own = self.recipe(context).and_then(|recipe| recipe.stack_port);
                Some(Address::Tcp { host: self.service.service.clone(), port: own.unwrap_or(container) })
            }
            Vantage::Cluster => self.parse(status.endpoints.as_ref()?.cluster.as_deref()?, context),
        }
    }

    fn recipe<'a>(&self, context: &'a Context) -> Option<&'a Recipe> {
        self.service.adapter.as_deref().and_then(|id| context.recipes.recipe(id))
    }

    /// The adapter's first port, else the first that the service declares.
    fn main_port(&self, context: &Context) -> Option<u16> {
        main_port(&self.service, context)
    }

    fn parse(&self, text: &str, context: &Context) -> Option<Address> {
        candidate::parse(text, self.main_port(context)).ok().map(|parsed| parsed.address)
    }

    /// Its outputs for consumers at a vantage; `None` until it is decided how it is reached from there.
    pub(crate) fn outputs(&self, vantage: Vantage, context: &Context) -> Option<Outputs> {
        let address = self.address(vantage, context)?;
        let ports = match vantage {
            Vantage::Host => {
                self.object.status.iter().flat_map(|status| &status.ports).map(|port| (port.container, port.host)).collect()
            }
            Vantage::Stack | Vantage::Cluster => BTreeMap::new(),
        };
        let recipe = self.recipe(context);
        let tls = self.tls.clone().map(|tls| match vantage {
            Vantage::Host => tls,
            // The file lies on the host.
            Vantage::Stack | Vantage::Cluster => Tls { authorities: None, ..tls },
        });
        let source = OutputSource { address: &address, tls: tls.as_ref(), login: self.login.as_ref(), ports };
        Some(outputs(&self.service, recipe, &source))
    }

    /// Changes whenever an output for consumers at that vantage may have changed; holds no value.
    pub(crate) fn version(&self, vantage: Vantage, context: &Context) -> String {
        let address = self.address(vantage, context).map(|address| address.to_string()).unwrap_or_default();
        let decision = self.object.status.as_ref().and_then(|status| status.decision.as_ref());
        let credential = decision.and_then(|decision| decision.credential.clone()).unwrap_or_default();
        format!("{address} {credential} {}", self.credential_version)
    }
}

/// The adapter's first port, else the first that the service declares.
pub(crate) fn main_port(service: &ValidService, context: &Context) -> Option<u16> {
    let recipe = service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
    let own = recipe.and_then(|recipe| recipe.ports.first()).map(|port| port.port);
    own.or_else(|| service.ports.first().map(|port| port.container))
}

/// The credential that the service's status names.
pub(crate) fn credential(object: &ServiceSpec, service: &ValidService) -> Option<CredentialRef> {
    let decision = object.status.as_ref()?.decision.as_ref()?;
    match decision.credential.as_deref()? {
        "anonymous" => Some(CredentialRef::Anonymous),
        "generated" => Some(CredentialRef::Generated),
        "manifest" if service.credentials.from_manifest() => Some(CredentialRef::Manifest),
        "manifest" => {
            let own = service.detection.candidates.iter().position(|candidate| candidate.login.is_some());
            Some(CredentialRef::Candidate(own.unwrap_or_default()))
        }
        other => other.strip_prefix("default:")?.parse().ok().map(CredentialRef::Default),
    }
}
