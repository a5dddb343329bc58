//! Values inside Secrets and ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use koan_core::secret::Secret as Wrapped;

/// The text of a key; `None` where it is absent or no UTF-8.
pub(crate) fn value_of(secret: &Secret, key: &str) -> Option<Wrapped<String>> {
    let data: &BTreeMap<String, ByteString> = secret.data.as_ref()?;
    let bytes = data.get(key)?;
    String::from_utf8(bytes.0.clone()).ok().map(Wrapped::new)
}
