//! Tokens of ServiceAccounts: signed for one run, known to TokenReview alone. The socket takes none of them.

use std::io;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::ports::Random;

/// Random bytes of the key.
const KEY_BYTES: usize = 32;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) account: Account,
    pub(crate) audiences: Vec<String>,
    /// Seconds since the epoch.
    pub(crate) issued: i64,
    pub(crate) until: i64,
}

/// Issues tokens and knows them again; the key is drawn with the first one.
#[derive(Default)]
pub(crate) struct Accounts {
    key: OnceLock<hmac::Key>,
}

impl Accounts {
    /// A token for `grant`.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn issue(&self, random: &dyn Random, issuer: &str, grant: &Grant) -> io::Result<String> {
        if self.key.get().is_none() {
            let mut bytes = [0_u8; KEY_BYTES];
            random.fill(&mut bytes)?;
            // Whoever was first drew the key.
            let _ = self.key.set(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        let key = self.key.get().ok_or_else(|| io::Error::other("no key"))?;
        let Account { namespace, name, uid } = &grant.account;
        let claims = json!({
            "aud": grant.audiences, "exp": grant.until, "iat": grant.issued, "nbf": grant.issued, "iss": issuer,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }

    /// What a token of this run says that has not ended at `now`, in seconds since the epoch.
    pub(crate) fn known(&self, token: &str, now: i64) -> Option<Grant> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(self.key.get()?, signed.as_bytes(), &signature).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.rsplit_once('.')?.1).ok()?).ok()?;
        let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let grant = Grant {
            account: Account {
                namespace: text("/kubernetes.io/namespace")?,
                name: text("/kubernetes.io/serviceaccount/name")?,
                uid: text("/kubernetes.io/serviceaccount/uid")?,
            },
            audiences: claims["aud"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            issued: claims["iat"].as_i64()?,
            until: claims["exp"].as_i64()?,
        };
        (now < grant.until).then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::OsRandom;

    /// API-5, SEC-22: a token says whose it is until it ends; one that was changed, or that another run signed, says nothing.
    #[test]
    fn sec_22_a_token_is_known_to_its_own_run_until_it_ends() {
        let account = Account { namespace: "a".to_owned(), name: "b".to_owned(), uid: "c".to_owned() };
        let grant = Grant { account, audiences: vec!["api".to_owned()], issued: 100, until: 700 };
        let accounts = Accounts::default();
        assert_eq!(accounts.known("a.b.c", 0), None);
        let token = accounts.issue(&OsRandom, "issuer", &grant).unwrap();
        assert_eq!(accounts.known(&token, 699), Some(grant.clone()));
        assert_eq!(accounts.known(&token, 700), None);
        assert_eq!(accounts.known(&token.replacen('.', "x.", 1), 100), None);
        let other = Accounts::default();
        other.issue(&OsRandom, "issuer", &grant).unwrap();
        assert_eq!(other.known(&token, 100), None);
    }
}
