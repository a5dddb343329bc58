//! The credential that Koan generates for a workload of its own (DET-22, DET-23, S-9).

use std::collections::BTreeMap;

use base64::Engine as _;
use koan_core::facts::Facts;
use koan_core::recipe::OwnLogin;
use koan_core::text::ValueRef;
use koan_core::validate::ValidService;
use koan_crds::events::Event;
use koan_crds::{labels, names};
use serde_json::json;

use super::references::version_of;
use crate::context::Context;
use crate::events::About;
use crate::gateway::{ApiError, ApiKind};
use crate::runtime::Key;

/// Length of a generated password or token.
const LENGTH: usize = 28;
/// Its characters.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What became of the generated credential.
#[derive(Debug)]
pub(crate) enum GeneratedCredential {
    /// It is there.
    Present,
    /// Its Secret is gone while the data that depend on it live (DET-23): message and remedy.
    Lost(String),
}

/// Makes sure that the Secret exists before any volume or container does; never makes it anew while data exist.
pub(crate) async fn ensure(
    context: &Context,
    service: &ValidService,
    facts: &mut Facts,
    about: &About,
) -> Result<GeneratedCredential, ApiError> {
    let name = names::credentials_secret(&service.key.name);
    let keys = own_login(context, service).keys();
    let known = |key: &str| facts.versions.contains_key(&ValueRef::SecretKey { name: name.clone(), key: key.to_owned() });
    if keys.iter().all(|key| known(key)) {
        return Ok(GeneratedCredential::Present);
    }
    if let Some(volume) = facts.retained.first() {
        return Ok(GeneratedCredential::Lost(format!(
            "the Secret {name} with the generated credential is gone while volume {} holds the data; \
             restore the Secret, or delete the volume by name",
            volume.name
        )));
    }
    let key = Key::service(&service.key.namespace, &service.key.name);
    let written =
        context.gateway.create(ApiKind::Secret, labels::MANAGER_SERVICE, body(context, service, &name)?, Some(key)).await?;
    let message = format!("A credential was generated for {}, in Secret {name}", service.service);
    context.events.emit(Event::CredentialGenerated, false, about, &message).await;
    for key in keys {
        let reference = ValueRef::SecretKey { name: name.clone(), key: (*key).to_owned() };
        facts.versions.insert(reference, version_of(&written.uid, &written.version));
    }
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    facts.generated_credential = koan_core::facts::CredentialFact::Present { keys };
    Ok(GeneratedCredential::Present)
}

fn body(context: &Context, service: &ValidService, name: &str) -> Result<serde_json::Value, ApiError> {
    let secret = random(context).map_err(|error| ApiError::Unavailable {
        subject: format!("Secret {}/{name}", service.key.namespace),
        message: format!("no randomness for its credential: {error}"),
    })?;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let mut own = BTreeMap::from([
        (labels::INSTANCE, context.instance.0.as_str()),
        (labels::NAMESPACE, service.key.namespace.as_str()),
        (labels::SERVICE, service.service.as_str()),
        (labels::OWNER_UID, service.uid.0.as_str()),
    ]);
    own.extend(service.stack.as_ref().map(|stack| (labels::STACK, stack.name.as_str())));
    let data = match own_login(context, service) {
        OwnLogin::Password(user) => json!({"username": encode(user.unwrap_or(OwnLogin::USER)), "password": encode(&secret)}),
        OwnLogin::Token => json!({"token": encode(&secret)}),
        OwnLogin::Nothing => json!({}),
    };
    // No owner reference: it outlives the object exactly as its volume does.
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": service.key.namespace, "labels": own},
        "type": "Opaque",
        "data": data,
    }))
}

/// What the product's credential consists of; user and password where the product is not known.
fn own_login(context: &Context, service: &ValidService) -> OwnLogin {
    let recipe = service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
    recipe.map_or(OwnLogin::Password(None), |recipe| recipe.own_login)
}

/// 28 letters and digits, each equally likely.
fn random(context: &Context) -> std::io::Result<String> {
    let mut text = String::with_capacity(LENGTH);
    let mut bytes = [0; 64];
    while text.len() < LENGTH {
        context.random.fill(&mut bytes)?;
        text.extend(bytes.iter().filter_map(|byte| pick(*byte)).take(LENGTH - text.len()));
    }
    Ok(text)
}

/// A character, or nothing where the byte would make some characters likelier than others.
pub(super) fn pick(byte: u8) -> Option<char> {
    let fair = u8::try_from(256 / ALPHABET.len() * ALPHABET.len()).unwrap_or(u8::MAX);
    (byte < fair).then(|| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
}
