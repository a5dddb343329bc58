//! MQTT on the wire: a CONNACK of any code proves a broker, the code 0 proves the login. Each connection has a client id of its own
//! and a clean start, so it takes over nobody's session and leaves none behind.
//!
//! The protocol has no greeting: the first packet is the login. A broker that lets strangers in checks no login that could be told from
//! none, so it counts as anonymous and is sent no credential (DET-20).

use async_trait::async_trait;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::packet::{CONNACK_LIMIT, Connack, DISCONNECT, Level, connack, connect};
use crate::product::{Attempt, Identified, Product, Proof};
use crate::tls;
use crate::wire::{Fault, GREETING, Peer, Wire};

/// Random bytes of a client id; with its prefix it has 20 letters, and every broker takes 23.
const ID_BYTES: usize = 8;

/// Why a connection without a login is of no use.
const ASKS: &str = "the broker asks for a login";

/// The adapter's effectful half.
pub(crate) struct Mosquitto;

#[async_trait]
impl Product for Mosquitto {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let (level, answer) = match ask(peer, None, (deadline, GREETING)).await {
            Err(fault) if peer.tls.is_none() && fault.hints_tls() => {
                return Err(tls::suspected(peer, "mqtts", deadline, fault).await);
            }
            answer => answer?,
        };
        let level = match level {
            Level::Four => "MQTT 3.1.1",
            Level::Five => "MQTT 5",
        };
        let open = answer == Connack::Accepted;
        let detail = if open { "asks for no login" } else { "asks for a login" };
        Ok(Identified { detail: format!("{level}, {detail}"), open })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        let password = attempt.login.password.as_ref().map(|text| text.expose().as_str()).filter(|text| !text.is_empty());
        let user = attempt.login.username.as_deref().filter(|user| !user.is_empty());
        let given = user.is_some() || password.is_some();
        let login = (given && attempt.open != Some(true)).then(|| (user.unwrap_or_default(), password.unwrap_or_default()));
        if login.is_none() && attempt.open == Some(false) {
            return Proof::Skipped(ASKS.to_owned());
        }
        if login.is_some() && !attempt.plain_text {
            return Proof::Skipped("CONNECT would send the password as it is".to_owned());
        }
        let whole = attempt.deadline.saturating_duration_since(Instant::now());
        match ask(attempt.peer, login, (attempt.deadline, whole)).await {
            Ok((_level, answer)) => judge(answer, login.is_none()),
            Err(fault) => Proof::Broken(fault),
        }
    }
}

fn judge(answer: Connack, anonymous: bool) -> Proof {
    match answer {
        Connack::Accepted => Proof::Proven { version: None, server_id: None, anonymous },
        Connack::LoginRefused(_) if anonymous => Proof::Skipped(ASKS.to_owned()),
        Connack::LoginRefused(code) => Proof::Refused(format!("CONNACK {code}")),
        Connack::Refused(code) => {
            Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, format!("it takes no such client: CONNACK {code}")))
        }
        Connack::OtherLevel => {
            Proof::Unusable(Fault::new(EvidenceCode::VersionUnsupported, "it speaks neither MQTT 3.1.1 nor MQTT 5"))
        }
    }
}

/// Asks in 3.1.1, which nearly all brokers speak, and in 5 where that is all that it speaks.
async fn ask(
    peer: &Peer,
    login: Option<(&str, &str)>,
    (deadline, greeting): (Instant, std::time::Duration),
) -> Result<(Level, Connack), Fault> {
    let mut answer = (Level::Four, Connack::OtherLevel);
    for level in [Level::Four, Level::Five] {
        let client = client_id()?;
        let unsendable = || Fault::new(EvidenceCode::CapabilityMissing, "the login is longer than MQTT can carry");
        let packet = connect(level, &client, login).ok_or_else(unsendable)?;
        let mut wire = peer.open(deadline).await?;
        answer = (level, exchange(&mut wire, &packet, deadline.min(Instant::now() + greeting)).await?);
        if answer.1 != Connack::OtherLevel {
            break;
        }
    }
    Ok(answer)
}

/// One CONNECT and its answer; a session that came up is ended as the protocol wants it.
async fn exchange(wire: &mut Wire, packet: &[u8], deadline: Instant) -> Result<Connack, Fault> {
    wire.send(packet, deadline).await?;
    let mut bytes = Vec::new();
    loop {
        wire.more(&mut bytes, CONNACK_LIMIT, deadline).await?;
        match connack(&bytes) {
            Ok(Some(answer)) => {
                if answer == Connack::Accepted {
                    let _goodbye = wire.send(&DISCONNECT, deadline).await;
                }
                return Ok(answer);
            }
            Ok(None) => {}
            Err(_) => return Err(Fault::wrong(&bytes)),
        }
    }
}

/// An id that no other client has.
fn client_id() -> Result<String, Fault> {
    let mut bytes = [0_u8; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Fault::absent(EvidenceCode::Unreachable, "this system gives no random client id"))?;
    Ok(bytes.iter().fold("koan".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
