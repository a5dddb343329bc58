//! The shop: a small program that needs a database and a cache. `shop migrate` prepares the database and ends,
//! `shop serve` answers requests. Both read `DATABASE_URL`; `serve` reads `CACHE_URL` and `PORT` too.

mod serve;

use anyhow::{Context, bail};
use tokio_postgres::{Client, NoTls};

/// What the migration leaves behind.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS products (name text PRIMARY KEY, cents integer NOT NULL);
    INSERT INTO products VALUES ('apple', 45), ('bread', 320), ('cheese', 780) ON CONFLICT DO NOTHING;
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("migrate") => migrate().await,
        Some("serve") => serve::run(variable("PORT")?.parse().context("PORT is no port")?).await,
        _ => bail!("usage: shop migrate | shop serve"),
    }
}

async fn migrate() -> anyhow::Result<()> {
    let database = connect().await?;
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
