//! The shop: a small program that needs a database and a cache. `shop migrate` prepares the database and ends,
//! `shop serve` answers requests. Both read `DATABASE_URL`; `serve` reads `CACHE_URL` and `PORT` too.

mod serve;

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};

/// What the migration leaves behind.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS products (name text PRIMARY KEY, cents integer NOT NULL);
    INSERT INTO products VALUES ('apple', 45), ('bread', 320), ('cheese', 780) ON CONFLICT DO NOTHING;
";

/// How long the migration waits for its database: a network may know a container's name only a while after its start.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("migrate") => migrate().await,
        Some("serve") => serve::run(variable("PORT")?.parse().context("PORT is no port")?).await,
        _ => bail!("usage: shop migrate | shop serve"),
    }
}

async fn migrate() -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let database = loop {
        match connect().await {
            Ok(database) => break database,
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => eprintln!("{error:#}; trying again"),
        }
        sleep(PAUSE).await;
    };
    database.batch_execute(SCHEMA).await.context("the migration failed")?;
    println!("the database is ready");
    Ok(())
}

/// Connects to the database that `DATABASE_URL` names.
async fn connect() -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(&variable("DATABASE_URL")?, NoTls).await.context("no database")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("the database went away: {error}");
        }
    });
    Ok(client)
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}
