//! Elasticsearch and OpenSearch on the wire: what they answer before any login proves the product, the version of the node and the
//! health of the cluster prove the login.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use koan_core::recipe::Recipes;
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::greeting::{Brand, Greeting, colour, read, security_is_up, version};
use crate::http::{Answer, Header, Session, odd};
use crate::product::{Attempt, Identified, Product, Proof, at_least, too_old};
use crate::registry::catalogue;
use crate::wire::{Fault, Peer};

/// Greets.
const ROOT: &str = "/";
/// Health of OpenSearch's security plugin; answers everybody.
const SECURITY: &str = "/_plugins/_security/health";
/// Version of the node that answers; needs the privilege `monitor`, as [`HEALTH`] does.
const NODE: &str = "/_nodes/_local?filter_path=nodes.*.version";
/// Colour of the cluster.
const HEALTH: &str = "/_cluster/health";
/// A cluster of this colour lacks some of its data.
const RED: &str = "red";

/// The effectful half of the adapter of Elasticsearch.
pub(crate) const ELASTICSEARCH: Server = Server(Brand::Elasticsearch);
/// The effectful half of the adapter of OpenSearch.
pub(crate) const OPENSEARCH: Server = Server(Brand::OpenSearch);

/// One of the two products.
pub(crate) struct Server(Brand);

#[async_trait]
impl Product for Server {
    async fn identify(&self, peer: &Peer, deadline: Instant) -> Result<Identified, Fault> {
        let door = self.greet(&mut Session::new(peer), deadline).await?;
        let detail = match &door {
            Door::Open(Some(number)) => format!("{} {number}", self.0.title()),
            Door::Open(None) | Door::Closed => self.0.title().to_owned(),
            Door::Starting => starting().detail,
        };
        Ok(Identified { detail, open: matches!(door, Door::Open(_)) })
    }

    async fn login(&self, attempt: &Attempt<'_>) -> Proof {
        self.prove(attempt).await.unwrap_or_else(Proof::Broken)
    }
}

impl Server {
    /// Whoever lets everybody in is sent no login (DET-20).
    async fn prove(&self, attempt: &Attempt<'_>) -> Result<Proof, Fault> {
        let mut session = Session::new(attempt.peer);
        match self.greet(&mut session, attempt.deadline).await? {
            Door::Open(_number) => return self.look(&mut session, None, attempt.deadline).await,
            Door::Starting => return Ok(Proof::Unusable(starting())),
            Door::Closed => {}
        }
        let words = match self.authorization(attempt.login) {
            Ok(words) => words,
            Err(why) => return Ok(Proof::Skipped(why.to_owned())),
        };
        if !attempt.plain_text {
            return Ok(Proof::Skipped("the login would be sent as it is".to_owned()));
        }
        let header = Header { name: "Authorization", value: &words };
        if !header.is_sendable() {
            return Ok(Proof::Skipped("the key holds letters that no header can".to_owned()));
        }
        self.look(&mut session, Some(header), attempt.deadline).await
    }

    /// The value of the header that carries a login, or why there is none.
    fn authorization(&self, login: &Login) -> Result<String, &'static str> {
        match (login, self.0) {
            (Login { username: Some(user), password: Some(password), .. }, _) if !user.contains(':') => {
                Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
            }
            (Login { token: Some(key), .. }, Brand::Elasticsearch) => Ok(format!("ApiKey {}", key.expose())),
            (Login { username: Some(_), password: Some(_), .. }, _) => Err("a user with a colon cannot be sent"),
            (_other, Brand::Elasticsearch) => Err("the server asks for a user with a password, or for an API key"),
            (_other, Brand::OpenSearch) => Err("the server asks for a user with a password"),
        }
    }

    /// The authorised check (DET-21): whoever has no rights in the cluster may read neither.
    async fn look(&self, session: &mut Session<'_>, login: Option<Header<'_>>, deadline: Instant) -> Result<Proof, Fault> {
        let answer = session.get(NODE, login, deadline).await?;
        if let Some(proof) = refused(NODE, &answer) {
            return Ok(proof);
        }
        let Some(number) = version(&answer) else { return Ok(Proof::Broken(odd(NODE, answer.status))) };
        let minimum = catalogue().recipe(self.0.id()).map(|recipe| recipe.minimum_version).unwrap_or_default();
        if !at_least(&number, minimum) {
            return Ok(Proof::Unusable(too_old(&number, minimum)));
        }
        let answer = session.get(HEALTH, login, deadline).await?;
        if let Some(proof) = refused(HEALTH, &answer) {
            return Ok(proof);
        }
        Ok(match colour(&answer) {
            Some(colour) if colour == RED => {
                let detail = "the cluster is red: some of its data is not there";
                Proof::Unusable(Fault::new(EvidenceCode::CapabilityMissing, detail))
            }
            Some(_colour) => Proof::Proven { version: Some(number), server_id: None, anonymous: login.is_none() },
            None => Proof::Broken(odd(HEALTH, answer.status)),
        })
    }

    /// One answer or two, within what the greeting or the login may take: a cold machine of Java needs its time for either.
    async fn greet(&self, session: &mut Session<'_>, deadline: Instant) -> Result<Door, Fault> {
        let greeting = read(&session.get(ROOT, None, deadline).await?).ok_or_else(Answer::stranger)?;
        let (brand, door) = match greeting {
            Greeting::Open(brand, number) => (brand, Door::Open(number)),
            Greeting::Closed(brand) => (brand, Door::Closed),
            Greeting::PerhapsClosed => {
                let answer = session.get(SECURITY, None, deadline).await?;
                let up = security_is_up(&answer).ok_or_else(Answer::stranger)?;
                (Brand::OpenSearch, if up { Door::Closed } else { Door::Starting })
            }
        };
        if brand == self.0 {
            return Ok(door);
        }
        Err(Fault::new(EvidenceCode::WrongProtocol, format!("it is {}", brand.title())))
    }
}

/// What whoever comes without a login meets.
enum Door {
    /// Everybody is let in; the version where it is told.
    Open(Option<String>),
    /// A login is asked for.
    Closed,
    /// Nobody is let in yet.
    Starting,
}

fn starting() -> Fault {
    Fault::new(EvidenceCode::Timeout, "OpenSearch answers, and its security is not up")
}

/// What becomes of a login that is not let in; `None` where it is.
fn refused(path: &str, answer: &Answer) -> Option<Proof> {
    match answer.status {
        200 => None,
        401 => Some(Proof::Refused("the login is refused: 401".to_owned())),
        403 => {
            let detail = "the login may not read the state of the cluster: it needs the privilege monitor (cluster_monitor)";
            Some(Proof::Unusable(Fault::new(EvidenceCode::NotAuthorised, detail)))
        }
        status => Some(Proof::Broken(odd(path, status))),
    }
}
