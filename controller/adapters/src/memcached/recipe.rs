//! What is known of memcached: image, port, names and the process form. Pure data.

use std::time::Duration;

use koan_core::recipe::{ImageName, Maturity, OwnLogin, ProcessRecipe, Recipe, RecipePort};
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

/// Canonical id.
pub(crate) const ID: &str = "memcached";
/// Name of the port.
const PORT: &str = "memcached";
/// Megabytes that it may hold.
const MEMORY: [&str; 2] = ["-m", "64"];

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        wave: 1,
        maturity: Maturity::Stable,
        args: MEMORY.map(str::to_owned).to_vec(),
        priority: 300,
        readiness: Duration::from_secs(10),
        own_login: OwnLogin::Nothing,
        schemes: &["memcached"],
        outputs: &[("servers", "{host}:{port}")],
        url_pattern: "{host}:{port}",
        candidate_names: &["MEMCACHED_SERVERS"],
        default_database: Some(""),
        conventional_names: &[("MEMCACHED_SERVERS", "servers")],
        minimum_version: "1.6",
        packages: &["EnyimMemcachedCore", "memjs", "memcached", "pymemcache", "pylibmc", "github.com/bradfitz/gomemcache"],
        greeting: "`version`: the version, or the refusal that asks for a login.",
        proof: "The login of the text protocol where the server asks for one, then `mn`, which does nothing.",
        traps: &[
            "A container of Koan's asks for no login; a credential of the manifest is for a server of the host that was started with -Y.",
            "It keeps nothing: a restart empties it.",
        ],
        process: Some(process()),
        ..Recipe::new(
            ID,
            "memcached",
            ImageName { registry: "docker.io", repository: "library/memcached", tag: "1.6.45", mirrors: &[] },
            &[RecipePort { name: PORT, port: 11211 }],
        )
    }
}

/// `memcached` of the host, on loopback and TCP only.
fn process() -> ProcessRecipe {
    let word = |text: &str| Text::plain(text);
    let mut command = vec![
        Text(vec![Part::ProgramFolder("memcached".to_owned()), Part::Plain("/memcached".to_owned())]),
        word("-l"),
        word("127.0.0.1"),
        word("-p"),
        Text(vec![Part::Port(PORT.to_owned())]),
        word("-U"),
        word("0"),
    ];
    command.extend(MEMORY.map(word));
    ProcessRecipe {
        programs: &["memcached"],
        folders: &["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"],
        package: "memcached",
        prepare: Vec::new(),
        files: Vec::new(),
        command,
        env: Vec::new(),
        stop_signal: StopSignal::Term,
        data_paths: &[],
    }
}
