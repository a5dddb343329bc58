//! Another service as its consumers see it.

use std::sync::Arc;

use koan_core::candidate;
use koan_core::identity::ServiceKey;
use koan_core::outputs::{OutputSource, Outputs, outputs};
use koan_core::probe::{Address, CredentialRef, Vantage};
use koan_core::secret::Login;
use koan_core::validate::{ValidService, validate_service};
use koan_crds::v1alpha1::ServiceSpec;
use kube::ResourceExt;

use super::login::login_of;
use crate::context::Context;
use crate::reader::ReadError;

/// A service that somebody refers to: valid, decided, and with the login that works there.
pub(crate) struct Peer {
    /// The object.
    pub(crate) object: Arc<ServiceSpec>,
    /// The same, parsed.
    pub(crate) service: ValidService,
    /// Login of the service.
    pub(crate) login: Option<Login>,
}

/// Reads a service that somebody refers to; `None` where it is absent or invalid.
pub(crate) async fn peer(context: &Context, key: &ServiceKey) -> Result<Option<Peer>, ReadError> {
    let Some(object) = context.reader.service(&key.namespace, &key.name).await? else { return Ok(None) };
    let Ok(service) = validate_service(&object, context.recipes.as_ref()) else { return Ok(None) };
    let login = match credential(&object, &service) {
        Some(credential) => login_of(context, &object, &service, &credential).await?,
        None => None,
    };
    Ok(Some(Peer { object, service, login }))
}

impl Peer {
    /// Where consumers at a vantage connect to; `None` until it was proved (DET-30).
    pub(crate) fn address(&self, vantage: Vantage, context: &Context) -> Option<Address> {
        let endpoints = self.object.status.as_ref()?.endpoints.as_ref()?;
        let text = match vantage {
            Vantage::Host => endpoints.host.as_deref(),
            Vantage::Stack => endpoints.stack.as_deref(),
            Vantage::Cluster => endpoints.cluster.as_deref(),
        }?;
        let recipe = self.service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
        let port = recipe.and_then(|recipe| recipe.ports.first()).map(|port| port.port);
        candidate::parse(text, port).ok().map(|parsed| parsed.address)
    }

    /// Its outputs for consumers at a vantage; `None` until it can be reached from there.
    pub(crate) fn outputs(&self, vantage: Vantage, context: &Context) -> Option<Outputs> {
        let address = self.address(vantage, context)?;
        let ports = match vantage {
            Vantage::Host => self.object.status.iter().flat_map(|status| &status.ports).map(|port| (port.container, port.host)).collect(),
            Vantage::Stack | Vantage::Cluster => std::collections::BTreeMap::new(),
        };
        let recipe = self.service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
        let source = OutputSource { address: &address, login: self.login.as_ref(), ports };
        Some(outputs(&self.service, recipe, &source))
    }

    /// Changes whenever an output may have changed; holds no value.
    pub(crate) fn version(&self) -> String {
        let status = self.object.status.as_ref();
        let endpoints = status.and_then(|status| status.endpoints.clone()).unwrap_or_default();
        let decision = status.and_then(|status| status.decision.as_ref());
        let credential = decision.and_then(|decision| decision.credential.clone()).unwrap_or_default();
        let parts = [endpoints.host, endpoints.stack, endpoints.cluster, Some(credential), self.object.uid()];
        parts.map(Option::unwrap_or_default).join(" ")
    }
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
