//! Recipes: what is known of a product, as data. Adapters hold them, core looks them up.

use std::time::Duration;

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
    /// Image with its exact tag.
    pub image: ImageName,
    /// Ports; the first one is the main port.
    pub ports: &'static [RecipePort],
    /// Environment of the container. [`crate::text::ValueRef::SecretKey`] names are written by [`Recipe::CREDENTIALS`].
    pub env: Vec<(String, Text)>,
    /// Files mounted into the container.
    pub files: Vec<(String, u32, Text)>,
    /// Arguments of the container, where the image needs some.
    pub args: Vec<String>,
    /// Data paths by tag: the first entry whose predicate matches the major version of the tag.
    pub data_paths: fn(tag: &str) -> &'static [&'static str],
    /// Tie-break among services that are free to start; lower first.
    pub priority: u32,
    /// Budget from start to first Ready.
    pub readiness: Duration,
    /// Check that runs inside the container, secrets by file only.
    pub exec_check: Vec<Text>,
    /// PID 1 of the image ignores TERM.
    pub needs_init: bool,
    /// Time between TERM and KILL that the product wants at least.
    pub stop_grace: Duration,
    /// User of a generated credential; some images fix it.
    pub generated_user: Option<&'static str>,
    /// It keeps data that must not silently be replaced by an empty service (DET-28).
    pub keeps_data: bool,
    /// URL schemes, the canonical one first.
    pub schemes: &'static [&'static str],
    /// Outputs beside `url host port user password database`, as patterns over them.
    pub outputs: &'static [(&'static str, &'static str)],
    /// Pattern of `url` with `{scheme} {user} {password} {host} {port} {database}` and, where TLS is demanded,
    /// `{sslmode} {dotnetsslmode} {sslrootcert} {authorities}` (the file, encoded and as it is); parts in `[…]` go when their value is absent.
    pub url_pattern: &'static str,
    /// Environment names whose value alone may name a candidate on loopback, in order.
    pub candidate_names: &'static [&'static str],
    /// Environment names that name one candidate together: host, port, user, password, database.
    pub candidate_parts: Option<[&'static str; 5]>,
    /// Environment names that go with those: the mode of TLS and the file of its authorities.
    pub candidate_tls: Option<[&'static str; 2]>,
    /// Database where the manifest names none; `None` is the stack's name (DET-47).
    pub default_database: Option<&'static str>,
    /// Conventional names to inject, each with the output it carries.
    pub conventional_names: &'static [(&'static str, &'static str)],
    /// Well-known default logins, in order (B-2).
    pub default_logins: &'static [(&'static str, &'static str)],
    /// Lowest version that is accepted.
    pub minimum_version: &'static str,
    /// How the server runs as a process of the host (ENG-17).
    pub process: Option<ProcessRecipe>,
}

impl Recipe {
    /// Name that stands for the service's credentials Secret inside recipe texts; `plan` replaces it by the real name.
    pub const CREDENTIALS: &'static str = "{credentials}";
    /// Text that stands for the database name inside recipe texts; `plan` replaces it.
    pub const DATABASE: &'static str = "{database}";
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
