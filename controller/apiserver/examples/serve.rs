//! The server alone: `serve <state directory> <definition.json>…` serves the given CustomResourceDefinitions until it is
//! interrupted and prints where its kubeconfig is.

use std::path::PathBuf;

use koan_apiserver::{ListenOptions, Server, Sqlite};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("usage: serve <state directory> <definition.json>…")?;
    let mut definitions = Vec::new();
    for path in arguments {
        definitions.push(serde_json::from_slice(&std::fs::read(path)?)?);
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        let server = Server::builder().crds(definitions).journal(Sqlite::open(&directory)?).start().await?;
        let listening = server.listen(ListenOptions { state_dir: directory, port: None, origins: Vec::new() }).await?;
        println!("export KUBECONFIG={}", listening.kubeconfig().display());
        tokio::signal::ctrl_c().await?;
        server.shutdown();
        listening.close().await;
        Ok(())
    })
}
