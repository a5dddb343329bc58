//! From the name of a credential to its value.

use std::collections::BTreeMap;

use koan_core::candidate;
use koan_core::probe::CredentialRef;
use koan_core::secret::{Login, Secret};
use koan_core::validate::{ValidService, Workload};
use koan_crds::names;
use koan_crds::v1alpha1::ServiceSpec;

use super::bound::{Place, bound_login};
use crate::context::Context;
use crate::gather::environment_hits;
use crate::reader::{ReadError, value_of};

/// Keys of a Secret with a credential (DET-19); `uri` is read as `url`.
pub(crate) const CREDENTIAL_KEYS: [&str; 5] = ["username", "password", "token", "url", "uri"];
/// Those of them that hold a whole URL, in the order in which they are read.
const URL_KEYS: [&str; 2] = ["url", "uri"];

/// The login behind a credential's name; `None` where it is not there (any more).
pub(crate) async fn login_of(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
    credential: &CredentialRef,
) -> Result<Option<Login>, ReadError> {
    match credential {
        CredentialRef::Anonymous => Ok(Some(Login::default())),
        CredentialRef::Candidate(index) => Ok(candidate_login(service, *index)),
        CredentialRef::Default(index) => Ok(default_login(context, service, *index)),
        CredentialRef::Generated => secret_login(context, service, &names::credentials_secret(&service.key.name)).await,
        CredentialRef::Manifest => match &service.credentials.secret {
            Some(secret) => {
                let login = secret_login(context, service, secret).await?;
                Ok(login.map(|login| with_user(context, service.adapter.as_deref(), login)))
            }
            None => Ok(literal_login(object).map(|login| with_user(context, service.adapter.as_deref(), login))),
        },
    }
}

/// A password without a user is the password of the user that the product's image makes by itself, as with that image alone.
fn with_user(context: &Context, adapter: Option<&str>, login: Login) -> Login {
    let recipe = adapter.and_then(|id| context.recipes.recipe(id));
    let usual = recipe.and_then(|recipe| recipe.own_login.user()).filter(|_| login.password.is_some());
    Login { username: login.username.or_else(|| usual.map(str::to_owned)), ..login }
}

/// A part of the manifest's credential that has no key of its own: from the URL, or the product's usual user.
pub(crate) fn part_of(
    context: &Context,
    object: &ServiceSpec,
    key: &str,
    get: impl Fn(&str) -> Option<Secret<String>>,
) -> Option<Secret<String>> {
    let login = with_user(context, object.spec.service.adapter.as_deref(), login_of_keys(get)?);
    match key {
        "username" => login.username.map(Secret::new),
        "password" => login.password,
        // A product that takes a token takes what was written as the password.
        "token" => login.token.or(login.password),
        _other => None,
    }
}

/// The login behind a decision's credential: one that came with the address itself, in a URL or in the person's environment,
/// belongs to that address alone (DET-11) and is preferred.
pub(crate) async fn login_at(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
    credential: &CredentialRef,
    place: Option<Place<'_>>,
) -> Result<Option<Login>, ReadError> {
    let own = matches!(credential, CredentialRef::Manifest | CredentialRef::Candidate(_));
    let found = !matches!(service.workload, Workload::External(_));
    let Some(place) = place.filter(|_| own && found) else { return login_of(context, object, service, credential).await };
    let hits = environment_hits(context, service).await?;
    let all = service.detection.candidates.iter().chain(hits.iter().map(|(_, parsed)| parsed));
    match (bound_login(all, place), credential) {
        (Some(login), _) => Ok(Some(login)),
        // A login that is bound to another address is not sent here.
        (None, CredentialRef::Candidate(_)) => Ok(None),
        (None, _) => login_of(context, object, service, credential).await,
    }
}

fn candidate_login(service: &ValidService, index: usize) -> Option<Login> {
    match &service.workload {
        Workload::External(external) => external.login.clone(),
        Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => {
            service.detection.candidates.get(index).and_then(|candidate| candidate.login.clone())
        }
    }
}

fn default_login(context: &Context, service: &ValidService, index: usize) -> Option<Login> {
    let recipe = context.recipes.recipe(service.adapter.as_deref()?)?;
    recipe.default_logins.get(index).map(|login| login.login())
}

fn literal_login(object: &ServiceSpec) -> Option<Login> {
    let literals = object.spec.service.credentials.as_ref()?.literals.as_ref()?;
    login_of_keys(|key| literals.get(key).cloned().map(Secret::new))
}

async fn secret_login(context: &Context, service: &ValidService, name: &str) -> Result<Option<Login>, ReadError> {
    let secret = context.reader.secret(&service.key.namespace, name).await?;
    Ok(secret.and_then(|secret| login_of_keys(|key| value_of(&secret, key))))
}

/// A login from the keys of DET-19; parts of `url` stand in for keys that are absent.
pub(crate) fn login_of_keys(get: impl Fn(&str) -> Option<Secret<String>>) -> Option<Login> {
    let found: BTreeMap<&str, Secret<String>> = CREDENTIAL_KEYS.into_iter().filter_map(|key| Some((key, get(key)?))).collect();
    if found.is_empty() {
        return None;
    }
    let url = URL_KEYS.into_iter().find_map(|key| found.get(key));
    let inside =
        url.and_then(|url| candidate::parse(url.expose(), Some(1)).ok()).and_then(|parsed| parsed.login).unwrap_or_default();
    Some(Login {
        username: found.get("username").map(|name| name.expose().clone()).or(inside.username),
        password: found.get("password").cloned().or(inside.password),
        token: found.get("token").cloned(),
    })
}
