//! Recipes: what is known of a product, as data. Adapters hold them, core looks them up.

use std::fmt;
use std::time::Duration;

use crate::secret::{Login, Secret};
use crate::text::Text;
use crate::workload::StopSignal;

/// Pure look-ups over the catalogue.
pub trait Recipes: Send + Sync {
    /// The recipe of a canonical id or an alias.
    fn recipe(&self, name: &str) -> Option<&Recipe>;
    /// Canonical ids, sorted.
    fn ids(&self) -> Vec<&str>;
    /// The recipe whose URLs have this scheme.
    fn by_scheme(&self, scheme: &str) -> Option<&Recipe>;
}

/// One product (detection.md section 8).
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Canonical id.
    pub id: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// Name for people.
    pub title: &'static str,
    /// Wave of the catalogue in which it came: 1 or 2.
    pub wave: u8,
    /// How far it is proven (DET-39).
    pub maturity: Maturity,
    /// Image with its exact tag.
    pub image: ImageName,
    /// Numbers that a released version of the product has: a tag with fewer moves on (DET-37).
    pub version_parts: usize,
    /// Ports; the first one is the main port.
    pub ports: &'static [RecipePort],
    /// Port inside the container that containers of the stack dial where it is not the main port: a product that tells its clients
    /// where to go on has a listener per vantage. It is published nowhere.
    pub stack_port: Option<u16>,
    /// Environment of the container. [`crate::text::ValueRef::SecretKey`] names are written by [`Recipe::CREDENTIALS`].
    pub env: Vec<(String, Text)>,
    /// More of it where the container has a login.
    pub env_with_login: Vec<(String, Text)>,
    /// More of it where the container lets everybody in.
    pub env_without_login: Vec<(String, Text)>,
    /// Why a secret stands in the environment of the container: the image has no other way (DET-24).
    pub secrets_in_env: Option<&'static str>,
    /// Files mounted into the container.
    pub files: Vec<(String, u32, Text)>,
    /// Arguments of the container, where the image needs some.
    pub args: Vec<String>,
    /// Data paths of an image with this tag; none where the product keeps nothing.
    pub data_paths: fn(tag: &str) -> &'static [&'static str],
    /// Tie-break among services that are free to start; lower first.
    pub priority: u32,
    /// Budget from start to first Ready.
    pub readiness: Duration,
    /// Check that runs inside the container, secrets by file only; none where the image has no program for it.
    pub exec_check: Vec<Text>,
    /// PID 1 of the image ignores TERM.
    pub needs_init: bool,
    /// Time between TERM and KILL that the product wants at least.
    pub stop_grace: Duration,
    /// Login that Koan makes for a container of its own (DET-22).
    pub own_login: OwnLogin,
    /// It keeps data that must not silently be replaced by an empty service (DET-28).
    pub keeps_data: bool,
    /// What a restart of a container of it loses, in words for its status; nothing where its data paths keep everything.
    pub volatile: Option<&'static str>,
    /// URL schemes, the canonical one first. Products may share one: then it alone names none of them.
    pub schemes: &'static [&'static str],
    /// Outputs beside `url host port user password database`, as patterns over them.
    pub outputs: &'static [(&'static str, &'static str)],
    /// Pattern of `url` with `{scheme} {user} {password} {host} {port} {database}` and, where TLS is demanded,
    /// `{sslmode} {dotnetsslmode} {sslrootcert} {authorities}` (the file, encoded and as it is); parts in `[…]` go when their value is absent.
    pub url_pattern: &'static str,
    /// Environment names whose value alone may name a candidate on loopback, in order.
    pub candidate_names: &'static [&'static str],
    /// Environment names that name one candidate together.
    pub candidate_parts: Option<CandidateParts>,
    /// Environment names that complete the candidate of one of [`Self::candidate_names`].
    pub candidate_more: &'static [CandidateMore],
    /// Database where the manifest names none; `None` is the stack's name (DET-47).
    pub default_database: Option<&'static str>,
    /// Conventional names to inject, each with the output it carries.
    pub conventional_names: &'static [(&'static str, &'static str)],
    /// Well-known default logins, in order (B-2).
    pub default_logins: &'static [DefaultLogin],
    /// Lowest version that is accepted; empty where every version is.
    pub minimum_version: &'static str,
    /// What is sent to a listener and read from it before any credential, and what proves the product (DET-14); one sentence.
    pub greeting: &'static str,
    /// What an accepted login must be able to do, which writes nothing (DET-21); one sentence.
    pub proof: &'static str,
    /// Packages whose presence hints at the product: its clients, as package managers name them.
    pub packages: &'static [&'static str],
    /// It costs so much to run that only the manifest or a setting for Koan asks for it.
    pub heavy: bool,
    /// What surprises people, a sentence each, for the product's page (DET-48).
    pub traps: &'static [&'static str],
    /// How the server runs as a process of the host (ENG-17).
    pub process: Option<ProcessRecipe>,
}

impl Recipe {
    /// A row of which nothing more is said: no login, no data, no names; a preview. A product's row says the rest.
    pub fn new(id: &'static str, title: &'static str, image: ImageName, ports: &'static [RecipePort]) -> Self {
        Self {
            id,
            aliases: &[],
            title,
            wave: 2,
            maturity: Maturity::Preview("nothing proves it yet"),
            image,
            version_parts: 3,
            ports,
            stack_port: None,
            env: Vec::new(),
            env_with_login: Vec::new(),
            env_without_login: Vec::new(),
            secrets_in_env: None,
            files: Vec::new(),
            args: Vec::new(),
            data_paths: |_tag| &[],
            priority: 300,
            readiness: Duration::from_secs(30),
            exec_check: Vec::new(),
            needs_init: false,
            stop_grace: Duration::from_secs(10),
            own_login: OwnLogin::Nothing,
            keeps_data: false,
            volatile: None,
            schemes: &[],
            outputs: &[],
            url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}",
            candidate_names: &[],
            candidate_parts: None,
            candidate_more: &[],
            default_database: None,
            conventional_names: &[],
            default_logins: &[],
            minimum_version: "",
            greeting: "",
            proof: "",
            packages: &[],
            heavy: false,
            traps: &[],
            process: None,
        }
    }

    /// Name that stands for the service's credentials Secret inside recipe texts; `plan` replaces it by the real name.
    pub const CREDENTIALS: &'static str = "{credentials}";
    /// Text that stands for the database name inside recipe texts; `plan` replaces it.
    pub const DATABASE: &'static str = "{database}";
    /// Text that stands, inside recipe texts, for the name by which containers of the stack reach the service; `plan` replaces it.
    pub const SERVICE: &'static str = "{service}";
}

/// How far an adapter is proven (DET-39).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maturity {
    /// The whole matrix holds on a real server.
    Stable,
    /// Proven by transcripts alone, for this reason.
    Preview(&'static str),
}

/// What a generated credential consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLogin {
    /// User and password; some images fix the user.
    Password(Option<&'static str>),
    /// A token.
    Token,
    /// None is made: the product has no login, or serves without one unless the manifest says otherwise.
    Nothing,
}

impl OwnLogin {
    /// User of a generated login where the image makes none by itself.
    pub const USER: &'static str = "koan";

    /// Keys of the Secret that holds it (DET-19).
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Password(_) => &["username", "password"],
            Self::Token => &["token"],
            Self::Nothing => &[],
        }
    }

    /// User that the image makes by itself.
    pub fn user(self) -> Option<&'static str> {
        match self {
            Self::Password(user) => user,
            Self::Token | Self::Nothing => None,
        }
    }
}

/// A login that products are often left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultLogin {
    /// User and password.
    Password(&'static str, &'static str),
    /// A token.
    Token(&'static str),
}

impl DefaultLogin {
    /// The login itself.
    pub fn login(self) -> Login {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        match self {
            Self::Password(user, password) => Login { username: Some(user.to_owned()), password: secret(password), token: None },
            Self::Token(token) => Login { username: None, password: None, token: secret(token) },
        }
    }
}

/// Environment names that name one candidate together; without the host the others say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateParts {
    /// Host.
    pub host: &'static str,
    /// Port.
    pub port: Option<&'static str>,
    /// User.
    pub user: Option<&'static str>,
    /// Password.
    pub password: Option<&'static str>,
    /// Database.
    pub database: Option<&'static str>,
    /// Mode of TLS, and the file of its authorities.
    pub tls: Option<[&'static str; 2]>,
}

/// Environment names that complete the candidate of one other name where its URL does not say the same itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateMore {
    /// The name whose candidate is completed.
    pub of: &'static str,
    /// User.
    pub user: Option<&'static str>,
    /// The user's name holds `user:password` where nothing else says the password.
    pub pair: bool,
    /// Password.
    pub password: Option<&'static str>,
    /// Token.
    pub token: Option<&'static str>,
    /// Database.
    pub database: Option<&'static str>,
}

/// An image reference in parts: repositories vanish, mirrors change (DET-37).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// Registry host, such as `docker.io`.
    pub registry: &'static str,
    /// Repository, such as `library/postgres`.
    pub repository: &'static str,
    /// Exact tag.
    pub tag: &'static str,
    /// Other places of the same image, as registry and repository.
    pub mirrors: &'static [(&'static str, &'static str)],
}

/// `registry/repository:tag`.
impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// A port of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipePort {
    /// Name.
    pub name: &'static str,
    /// Number.
    pub port: u16,
}

/// How a server runs as a process (ENG-17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecipe {
    /// Programs that must be installed.
    pub programs: &'static [&'static str],
    /// Folders beside `PATH` in which they may lie; `*` stands for one path segment, the greatest version first.
    pub folders: &'static [&'static str],
    /// Package that brings them, for the remedy.
    pub package: &'static str,
    /// Steps that prepare the data folder: mark, then command.
    pub prepare: Vec<(Text, Vec<Text>)>,
    /// Files written before each start.
    pub files: Vec<(String, u32, Text)>,
    /// Program and arguments.
    pub command: Vec<Text>,
    /// Environment.
    pub env: Vec<(String, Text)>,
    /// What asks it to end.
    pub stop_signal: StopSignal,
    /// Data paths, as in a container; each becomes a folder.
    pub data_paths: &'static [&'static str],
}
