//! What a Secret and a ConfigMap may hold: keys, sizes, what each type of Secret needs, and what stays once it is immutable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::codec::{go_json_error, json_type};
use crate::schema::go_quote;
use crate::status::Cause;

/// The most bytes that the data of one Secret or ConfigMap may hold.
const MAX_DATA_BYTES: usize = 1024 * 1024;
/// The longest key in the data of a Secret or ConfigMap.
const MAX_KEY_LENGTH: usize = 253;
/// The annotation that names the account of a token.
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// What messages show in place of a secret.
const REDACTED: &str = "\"<secret contents redacted>\"";
const TLS_TYPE: &str = "kubernetes.io/tls";
const TLS_CERTIFICATE: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";

/// Every violation of the rules of a ConfigMap.
pub(super) fn config_map(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = immutable(new, old, &["data", "binaryData"]);
    let (mut found, text) = entries(new, "data");
    let (binary, bytes) = entries(new, "binaryData");
    causes.append(&mut found);
    if let (Some(plain), Some(other)) = (new["data"].as_object(), new["binaryData"].as_object()) {
        for key in plain.keys().filter(|key| other.contains_key(*key)) {
            causes.push(Cause::invalid(format!("data[{key}]"), &go_quote(key), "duplicate of key present in binaryData"));
        }
    }
    causes.extend(binary);
    // A ConfigMap's text is not encoded, and what is too long is the object, which has no name of a field.
    causes.extend(too_long(text + bytes, "[]"));
    causes
}

/// Every violation of the rules of a Secret.
pub(super) fn secret(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(old) = old
        && old["type"] != new["type"]
    {
        causes.push(Cause::invalid("type", &go_quote(new["type"].as_str().unwrap_or_default()), "field is immutable"));
    }
    causes.extend(immutable(new, old, &["data"]));
    let (found, _) = entries(new, "data");
    causes.extend(found);
    let bytes = new["data"].as_object().into_iter().flatten().map(|(_, value)| decoded(value).len()).sum();
    causes.extend(too_long(bytes, "data"));
    of_type(new, &mut causes);
    causes
}

/// What is taken but will not work: a certificate that does not go with its key.
pub(super) fn secret_warnings(secret: &Value) -> Vec<String> {
    if secret["type"] != TLS_TYPE {
        return Vec::new();
    }
    let part = |name: &str| decoded(&secret["data"][name]);
    pair_problem(&part(TLS_CERTIFICATE), &part(TLS_KEY)).into_iter().collect()
}

/// The wrong keys of a field, and how many bytes its values have; base64 counts undecoded in `data` of a Secret alone.
fn entries(new: &Value, field: &str) -> (Vec<Cause>, usize) {
    let mut causes = Vec::new();
    let mut bytes = 0;
    for (key, value) in new[field].as_object().into_iter().flatten() {
        causes.extend(key_problems(key).into_iter().map(|why| Cause::invalid(format!("{field}[{key}]"), &go_quote(key), &why)));
        bytes += if field == "data" { value.as_str().map_or(0, str::len) } else { decoded(value).len() };
    }
    (causes, bytes)
}

fn too_long(bytes: usize, field: &str) -> Option<Cause> {
    let why = || format!("Too long: may not be more than {MAX_DATA_BYTES} bytes");
    (bytes > MAX_DATA_BYTES).then(|| Cause::new("FieldValueTooLong", field, why()))
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

fn immutable(new: &Value, old: Option<&Value>, fields: &[&str]) -> Vec<Cause> {
    let Some(old) = old.filter(|old| old["immutable"] == Value::Bool(true)) else { return Vec::new() };
    let flag = (new["immutable"] != Value::Bool(true)).then_some("immutable");
    let changed = fields.iter().copied().filter(|field| old[*field] != new[*field]);
    let why = "field is immutable when `immutable` is set";
    flag.into_iter().chain(changed).map(|field| Cause::forbidden(field, why)).collect()
}

fn key_problems(key: &str) -> Vec<String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut problems = Vec::new();
    if key.len() > MAX_KEY_LENGTH {
        problems.push(format!("must be no more than {MAX_KEY_LENGTH} characters"));
    }
    if key.is_empty() || !key.chars().all(allowed) {
        problems.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." | ".." => problems.push(format!("must not be '{key}'")),
        _ if key.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// What the type of a Secret asks of its data.
fn of_type(secret: &Value, causes: &mut Vec<Cause>) {
    let data = &secret["data"];
    let required = |key: &str| Cause::required(format!("data[{key}]"), "");
    let has = |key: &str| data.get(key).is_some();
    match secret["type"].as_str().unwrap_or_default() {
        "kubernetes.io/service-account-token"
            if secret["metadata"]["annotations"][ACCOUNT_NAME].as_str().unwrap_or_default().is_empty() =>
        {
            causes.push(Cause::required(format!("metadata.annotations[{ACCOUNT_NAME}]"), ""));
        }
        "kubernetes.io/dockercfg" => causes.extend(document(data, ".dockercfg")),
        "kubernetes.io/dockerconfigjson" => causes.extend(document(data, ".dockerconfigjson")),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            causes.extend(["username", "password"].map(required));
        }
        "kubernetes.io/ssh-auth" if data["ssh-privatekey"].as_str().unwrap_or_default().is_empty() => {
            causes.push(required("ssh-privatekey"));
        }
        TLS_TYPE => causes.extend([TLS_CERTIFICATE, TLS_KEY].into_iter().filter(|key| !has(key)).map(required)),
        _ => {}
    }
}

/// A value that has to be there and to be a JSON object.
fn document(data: &Value, key: &str) -> Option<Cause> {
    let field = format!("data[{key}]");
    let Some(value) = data.get(key) else { return Some(Cause::required(field, "")) };
    let text = decoded(value);
    let why = go_json_error(&text).or_else(|| match serde_json::from_slice::<Value>(&text) {
        Ok(Value::Object(_) | Value::Null) | Err(_) => None,
        Ok(other) => {
            Some(format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", json_type(&other)))
        }
    })?;
    Some(Cause::invalid(field, REDACTED, &why))
}

/// Why a certificate and a key are no pair, in the words of the reference's TLS library.
fn pair_problem(certificate: &[u8], key: &[u8]) -> Option<String> {
    let skipped = kinds_of_pem(certificate);
    if !skipped.iter().any(|kind| kind == "CERTIFICATE") {
        return Some(match skipped.as_slice() {
            [] => "tls: failed to find any PEM data in certificate input".to_owned(),
            [one] if one.ends_with("PRIVATE KEY") => {
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been \
                 switched"
                    .to_owned()
            }
            many => format!(
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
                many.join(" ")
            ),
        });
    }
    let skipped = kinds_of_pem(key);
    if !skipped.iter().any(|kind| kind.ends_with("PRIVATE KEY")) {
        return Some(match skipped.as_slice() {
            [] => "tls: failed to find any PEM data in key input".to_owned(),
            [one] if one == "CERTIFICATE" => {
                "tls: found a certificate rather than a key in the PEM for the private key".to_owned()
            }
            many => format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the \
                 following types: [{}]",
                many.join(" ")
            ),
        });
    }
    mismatch(certificate, key)
}

fn mismatch(certificate: &[u8], key: &[u8]) -> Option<String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Some("x509: malformed certificate".to_owned());
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else { return Some("tls: failed to parse private key".to_owned()) };
    let provider = rustls::crypto::ring::default_provider();
    let Ok(key) = provider.key_provider.load_private_key(key) else { return Some("tls: failed to parse private key".to_owned()) };
    match rustls::sign::CertifiedKey::new(chain, key).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Some("tls: private key does not match public key".to_owned())
        }
        Err(rustls::Error::InvalidCertificate(_)) => Some("x509: malformed certificate".to_owned()),
        Ok(()) | Err(_) => None,
    }
}

/// The types of the PEM blocks in a text, in order.
fn kinds_of_pem(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let begins = text.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    begins.filter(|kind| text.contains(&format!("-----END {kind}-----"))).map(str::to_owned).collect()
}

/// API-10: a certificate that does not go with its key is taken with a warning, in the words of the reference.
#[test]
fn a_pair_that_is_none_is_told() -> Result<(), rcgen::Error> {
    let one = rcgen::generate_simple_self_signed(vec!["a".to_owned()])?;
    let other = rcgen::generate_simple_self_signed(vec!["b".to_owned()])?;
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let told = |certificate: &str, key: &str| pair_problem(certificate.as_bytes(), key.as_bytes());
    assert_eq!(told(&certificate, &key), None);
    let foreign = other.signing_key.serialize_pem();
    assert_eq!(told(&certificate, &foreign).as_deref(), Some("tls: private key does not match public key"));
    assert!(told(&key, &certificate).is_some_and(|text| text.contains("PEM inputs may have been switched")));
    assert!(told(&certificate, &certificate).is_some_and(|text| text.contains("a certificate rather than a key")));
    assert_eq!(told(&certificate, "").as_deref(), Some("tls: failed to find any PEM data in key input"));
    Ok(())
}
