use serde_json::Value;

/// The injected URLs lead to a database and a cache that take the injected credentials.
///
/// # Panics
/// One does not.
pub fn answers(environment: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(database(&url(environment, "DATABASE_URL")).await, "shop");
        let cache = redis::Client::open(url(environment, "REDIS_URL")).expect("a URL");
        let mut cache = cache.get_multiplexed_async_connection().await.expect("a cache");
        let pong: String = redis::cmd("PING").query_async(&mut cache).await.expect("an answer");
        assert_eq!(pong, "PONG");
    });
}

/// The injected database URL takes the injected credentials; answers the port of the server.
///
/// # Panics
/// It does not.
pub fn database_answers(environment: &Value) -> u16 {
    let url = url(environment, "DATABASE_URL");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert_eq!(runtime.block_on(database(&url)), "shop");
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    *config.get_ports().first().expect("a port")
}

fn url(environment: &Value, name: &str) -> String {
    environment[name].as_str().unwrap_or_else(|| panic!("no {name} in {environment}")).to_owned()
}

async fn database(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a database");
    tokio::spawn(connection);
    client.query_one("SELECT current_database()", &[]).await.expect("an answer").get(0)
}
