//! What is known of MongoDB: image, port, environment, names. Pure data. Its server is no package of distributions, so there is no
//! process form.

use std::time::Duration;

use koan_core::recipe::{CandidateMore, DefaultLogin, ImageName, Maturity, OwnLogin, Recipe, RecipePort};
use koan_core::text::{Part, Text};

use crate::texts::{credential, plain};

/// Canonical id.
pub(crate) const ID: &str = "mongodb";
/// Where the password lies; a mounted file, never an environment value (DET-24).
const PASSWORD_FILE: &str = "/run/koan/mongodb-password";
/// By the container's own name: the server that the image starts while it makes the users listens on loopback alone (DET-38).
const PING: &str = r#"mongosh --quiet --host "$HOSTNAME" --eval "db.runCommand('ping').ok""#;

/// The settings of .NET that complete a connection string.
const SETTINGS: &[CandidateMore] = &[settings("ConnectionStrings__Mongo"), settings("Koan__Data__Mongo__ConnectionString")];

/// The recipe (detection.md 8.1 and 8.2).
pub(crate) fn recipe() -> Recipe {
    Recipe {
        aliases: &["mongo"],
        wave: 1,
        maturity: Maturity::Stable,
        env: vec![
            ("MONGO_INITDB_ROOT_USERNAME".to_owned(), Text::value(credential("username"))),
            ("MONGO_INITDB_ROOT_PASSWORD_FILE".to_owned(), Text(vec![Part::File(PASSWORD_FILE.to_owned())])),
            ("MONGO_INITDB_DATABASE".to_owned(), Text::plain(Recipe::DATABASE)),
        ],
        files: vec![(PASSWORD_FILE.to_owned(), 0o444, Text::value(credential("password")))],
        data_paths: |_tag| &["/data/db", "/data/configdb"],
        priority: 150,
        readiness: Duration::from_secs(30),
        exec_check: plain(&["sh", "-c", PING]),
        stop_grace: Duration::from_secs(30),
        own_login: OwnLogin::Password(None),
        keeps_data: true,
        schemes: &["mongodb"],
        url_pattern: "{scheme}://[{user}][:{password}]@{host}:{port}/{database}?authSource=admin&directConnection=true[&sslmode={sslmode}&tls=true][&sslrootcert={sslrootcert}]",
        candidate_names: &[
            "MONGODB_URI",
            "MONGODB_URL",
            "MONGODB_URLS",
            "MONGO_URL",
            "MONGO_URLS",
            "ConnectionStrings__Mongo",
            "Koan__Data__Mongo__ConnectionString",
        ],
        candidate_more: SETTINGS,
        conventional_names: &[("MONGODB_URI", "url")],
        default_logins: &[
            DefaultLogin::Password("admin", "admin"),
            DefaultLogin::Password("root", "mongodb"),
            DefaultLogin::Password("mongo", "mongo"),
        ],
        minimum_version: "4.4",
        packages: &["MongoDB.Driver", "mongodb", "mongoose", "pymongo", "motor", "go.mongodb.org/mongo-driver"],
        greeting: "`hello`: the document with `maxWireVersion`, which every server shows to everybody.",
        proof: "SCRAM-SHA-256, then `listCollections` on the database: `ping` needs no login and proves nothing.",
        traps: &[
            "Users are looked for in the database admin; one that lives elsewhere cannot be proven.",
            "On a processor without AVX the image ends at once with status 132: choose an image of version 4.4, or FerretDB.",
            "A database comes into being with its first collection, so none is ever missing.",
        ],
        ..Recipe::new(
            ID,
            "MongoDB",
            ImageName { registry: "docker.io", repository: "library/mongo", tag: "8.0.29", mirrors: &[] },
            &[RecipePort { name: "mongodb", port: 27017 }],
        )
    }
}

const fn settings(of: &'static str) -> CandidateMore {
    CandidateMore {
        of,
        user: Some("Koan__Data__Mongo__Username"),
        pair: false,
        password: Some("Koan__Data__Mongo__Password"),
        token: None,
        database: Some("Koan__Data__Mongo__Database"),
    }
}
