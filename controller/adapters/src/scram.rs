//! SCRAM of a client (RFC 5802, RFC 7677): neither side tells the password, and the server proves that it knows it too. Pure, but for
//! [`nonce`].

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use koan_crds::v1alpha1::EvidenceCode;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use crate::wire::Fault;

/// Rounds that a server may ask for: fewer would give the password away, more would hold this machine up.
const ROUNDS: std::ops::RangeInclusive<u32> = 4096..=200_000;
/// Bytes of a nonce.
const NONCE: usize = 24;
/// No channel is bound.
const HEADER: &str = "n,,";
/// The same in base64, as the proof repeats it.
const HEADER_BASE64: &str = "biws";

/// The mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// SCRAM-SHA-512.
    Sha512,
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-1, for users that have nothing else.
    Sha1,
}

impl Mechanism {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha512 => "SCRAM-SHA-512",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha1 => "SCRAM-SHA-1",
        }
    }

    fn algorithms(self) -> (pbkdf2::Algorithm, hmac::Algorithm, &'static digest::Algorithm) {
        match self {
            Self::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512),
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256),
            Self::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA1_FOR_LEGACY_USE_ONLY),
        }
    }
}

/// What the client says first.
pub(crate) struct First {
    mechanism: Mechanism,
    secret: String,
    nonce: String,
    bare: String,
}

impl First {
    /// Begins with a nonce of letters that nobody can guess. The secret is the password as the product stretches it: as it is, as
    /// SASLprep writes it, or a digest of it.
    pub(crate) fn new(mechanism: Mechanism, user: &str, secret: String, nonce: String) -> Self {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        Self { mechanism, secret, nonce, bare }
    }

    /// The message.
    pub(crate) fn message(&self) -> String {
        format!("{HEADER}{}", self.bare)
    }

    /// The proof, after what the server said first; `None` where that is no such message.
    pub(crate) fn answer(&self, said: &[u8]) -> Option<Proof> {
        let said = std::str::from_utf8(said).ok()?;
        let field = |name: &str| said.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = field("r=").filter(|nonce| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce))?;
        let salt = STANDARD.decode(field("s=")?).ok()?;
        let rounds: u32 = field("i=")?.parse().ok().filter(|rounds| ROUNDS.contains(rounds))?;
        let (stretch, sign, sum) = self.mechanism.algorithms();
        let mut salted = vec![0; sum.output_len()];
        pbkdf2::derive(stretch, NonZeroU32::new(rounds)?, &salt, self.secret.as_bytes(), &mut salted);
        let signed = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(sign, key), text);
        let key = signed(&salted, b"Client Key");
        let without_proof = format!("c={HEADER_BASE64},r={nonce}");
        let all = format!("{},{said},{without_proof}", self.bare);
        let signature = signed(digest::digest(sum, key.as_ref()).as_ref(), all.as_bytes());
        let proof: Vec<u8> = key.as_ref().iter().zip(signature.as_ref()).map(|(one, other)| one ^ other).collect();
        let server = signed(signed(&salted, b"Server Key").as_ref(), all.as_bytes());
        Some(Proof {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            expected: format!("v={}", STANDARD.encode(server)),
        })
    }
}

/// What the client says last, and what the server has to answer.
pub(crate) struct Proof {
    /// The message.
    pub(crate) message: String,
    expected: String,
}

impl Proof {
    /// The server proved that it knows the password.
    pub(crate) fn is_answered_by(&self, said: &[u8]) -> bool {
        said == self.expected.as_bytes()
    }
}

/// Letters that nobody can guess.
pub(crate) fn nonce() -> Result<String, Fault> {
    let mut bytes = [0; NONCE];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Fault::new(EvidenceCode::CredentialSkipped, "this machine gives no random bytes"))?;
    Ok(STANDARD_NO_PAD.encode(bytes))
}
