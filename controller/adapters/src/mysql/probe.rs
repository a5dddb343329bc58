//! MySQL and MariaDB on the wire: the server's greeting proves the product, a login with a look at the database proves that it may be
//! used. A server blocks the hosts whose handshakes break and counts every connection that ends without a login (SEC-2), so the
//! greeted connection is kept for the first login; where none follows, a user of nobody is refused by the server itself.

use async_trait::async_trait;
use koan_core::recipe::Recipes;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::authentication::response;
use super::greeting::{Brand, numbers};
use super::session::{Answer, Opened, Session};
use crate::product::{Attempt, Identified, Product, Proof, at_least, too_old};
use crate::registry::catalogue;
use crate::wire::{CONNECT_ELSEWHERE, Fault, GREETING, Peer};

/// User of the handshake that nobody follows; nobody's.
const NOBODY: &str = "koan_probe";
/// User of a connection without credential.
const ANONYMOUS_USER: &str = "root";
/// Selects the database of a session.
const SELECT_DATABASE: u8 = 2;
/// Ends a session.
const QUIT: u8 = 1;
/// What servers call users whom they do not ask, and the account without a name.
const UNASKED: [&str; 2] = ["@", "skip-grants user@"];
/// What a login must be able to read; nothing of it writes.
const LOOK: &str = "SELECT CURRENT_USER(), DATABASE(), @@read_only, @@version";
/// Values of `read_only` that allow writing.
const WRITABLE: [&str; 2] = ["0", "OFF"];

/// The effectful half of the adapter of MariaDB.
pub(crate) const MARIADB: Server = Server(Brand::MariaDb);
/// The effectful half of the adapter of MySQL.
pub(crate) const MYSQL: Server = Server(Brand::MySql);

/// One of the two products.
pub(crate) struct Server(Brand);

#[async_trait]
impl Product for Server {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let deadline = deadline.min(Instant::now() + CONNECT_ELSEWHERE + GREETING);
        let session = match Session::open(peer, deadline).await? {
            Opened::Greeted(session) => session,
            Opened::Refused(number, brand) if brand.is_none_or(|brand| brand == self.0) => {
                return Ok(Identified { detail: format!("answers with error {number}"), open: false });
            }
            Opened::Refused(_number, _other) => return Err(self.other()),
            Opened::Unencrypted(session) => {
                refuse(session).await;
                return Err(without_tls());
            }
        };
        if session.greeting.brand != self.0 {
            refuse(session).await;
            return Err(self.other());
        }
        let transport = match (session.encrypted, &peer.tls) {
            (true, Some(_)) => ", over verified TLS",
            (true, None) => ", offers TLS",
            (false, _) => "",
        };
        let detail = format!("{} {}{transport}", self.0.name(), session.greeting.version);
        peer.park(session);
        Ok(Identified { detail, open: false })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        self.prove(attempt).await.unwrap_or_else(Proof::Broken)
    }

    async fn leave(&self, peer: &Peer) {
        if let Some(session) = peer.resume() {
            refuse(session).await;
        }
    }
}

impl Server {
    fn other(&self) -> Fault {
        let other = match self.0 {
            Brand::MariaDb => Brand::MySql,
            Brand::MySql => Brand::MariaDb,
        };
        Fault::new(EvidenceCode::WrongProtocol, format!("a {} server answers", other.name()))
    }

    async fn prove(&self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let mut session = match attempt.peer.resume::<Session>() {
            Some(session) => session,
            None => match Session::open(attempt.peer, attempt.deadline).await? {
                Opened::Greeted(session) => session,
                Opened::Refused(number, _brand) => return Ok(refusal(number)),
                Opened::Unencrypted(session) => {
                    refuse(session).await;
                    return Err(without_tls());
                }
            },
        };
        if session.greeting.brand != self.0 {
            refuse(session).await;
            return Err(self.other());
        }
        session.deadline = attempt.deadline;
        let user = attempt.login.username.as_deref().filter(|name| !name.is_empty()).unwrap_or(ANONYMOUS_USER);
        let password = attempt.login.password.as_ref().map(|text| text.expose().as_str());
        let response = response(&session.greeting, session.encrypted, user, password);
        match session.log_in(&response, password, attempt.plain_text).await? {
            Answer::Done => {}
            Answer::Declined(text) => return Ok(Proof::Skipped(text)),
            Answer::Error(number) => return Ok(refusal(number)),
        }
        let proof = self.look(&mut session, attempt).await;
        session.goodbye(QUIT).await;
        proof
    }

    /// The authorised check (DET-21).
    async fn look(&self, session: &mut Session, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let select = [&[SELECT_DATABASE], attempt.database.as_bytes()].concat();
        if let Answer::Error(number) = session.command(&select).await? {
            return Ok(refusal(number));
        }
        let values = match session.query(LOOK).await? {
            Ok(values) => values,
            Err(number) => return Ok(refusal(number)),
        };
        let [Some(user), database, Some(read_only), Some(version)] = values.as_slice() else {
            return Ok(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, "the session cannot be read")));
        };
        let version = numbers(version);
        let unusable = |code, text: &str| Ok(Proof::Unusable(Fault::new(code, text)));
        let minimum = catalogue().recipe(self.id()).map_or("", |recipe| recipe.minimum_version);
        if !at_least(&version, minimum) {
            return Ok(Proof::Unusable(too_old(&version, minimum)));
        }
        if database.is_none() {
            return unusable(EvidenceCode::DatabaseMissing, "the session has no database");
        }
        if !WRITABLE.contains(&read_only.as_str()) {
            return unusable(EvidenceCode::ReadOnly, "the server is read-only");
        }
        let anonymous = attempt.login.password.is_none() || UNASKED.iter().any(|start| user.starts_with(start));
        Ok(Proof::Proven { version: Some(version), server_id: self.server_id(session).await?, anonymous })
    }

    /// Identity of the server; MariaDB has none that outlives it.
    async fn server_id(&self, session: &mut Session) -> Result<Option<String>, Fault> {
        match self.0 {
            Brand::MariaDb => Ok(None),
            Brand::MySql => {
                let values = session.query("SELECT @@server_uuid").await?.unwrap_or_default();
                Ok(values.into_iter().next().flatten())
            }
        }
    }

    fn id(&self) -> &'static str {
        match self.0 {
            Brand::MariaDb => super::recipe::MARIADB_ID,
            Brand::MySql => super::recipe::MYSQL_ID,
        }
    }
}

/// Ends a greeted connection in the way that blocks no host: the server refuses a user of nobody.
async fn refuse(mut session: Session) {
    session.deadline = Instant::now() + GREETING;
    let response = response(&session.greeting, session.encrypted, NOBODY, None);
    if let Ok(Answer::Done) = session.log_in(&response, None, false).await {
        session.goodbye(QUIT).await;
    }
}

fn without_tls() -> Fault {
    Fault::new(
        EvidenceCode::TlsRequired,
        "TLS is demanded and it offers none: give it a certificate (ssl_cert, ssl_key), or leave sslmode out",
    )
}

/// What an error of the server means; its text may repeat names, so only its number is told.
fn refusal(number: u16) -> Proof {
    let unusable = |code, text: &str| Proof::Unusable(Fault::new(code, format!("error {number}{text}")));
    match number {
        1045 | 1698 => Proof::Refused(format!("error {number}")),
        1049 => unusable(EvidenceCode::DatabaseMissing, ""),
        1129 => unusable(EvidenceCode::NotAuthorised, ": it blocks this host for broken handshakes; FLUSH HOSTS there ends that"),
        1130 => unusable(EvidenceCode::NotAuthorised, ": it takes no connections from this host"),
        3159 => unusable(EvidenceCode::TlsRequired, ": it lets nobody in without TLS"),
        _other => unusable(EvidenceCode::NotAuthorised, ""),
    }
}
