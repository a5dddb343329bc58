//! What listens at a candidate: a way to the real server that records what is sent to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use koan_core::secret::Login;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::room::way_out;

/// A listener of this run's own user before a real server.
pub(crate) struct Recorder {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a port, 0 for any, and leads to the server.
    pub(crate) async fn before(server: SocketAddr, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a port of this run's own network");
        let port = listener.local_addr().expect("its address").port();
        let (sent, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (record, count) = (Arc::clone(&sent), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((client, _peer)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(client, server, Arc::clone(&record)));
            }
        });
        Self { port, sent, connections, task }
    }

    /// Ends the listener: its port is free afterwards.
    pub(crate) async fn close(self) {
        self.task.abort();
        let _ended = self.task.await;
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How often this login was sent: a challenge–response sends the user alone, a token comes alone, HTTP Basic encodes both.
    pub(crate) fn logins(&self, login: &Login) -> usize {
        let sent = self.sent.lock().expect("a whole record");
        let secrets = [login.password.as_ref(), login.token.as_ref()].into_iter().flatten().map(|text| text.expose().clone());
        let basic = login.username.as_ref().zip(login.password.as_ref());
        let basic = basic.map(|(user, password)| STANDARD.encode(format!("{user}:{}", password.expose())));
        let words = login.username.clone().into_iter().chain(secrets).chain(basic);
        words.map(|word| sent.windows(word.len()).filter(|window| *window == word.as_bytes()).count()).max().unwrap_or_default()
    }
}

async fn pass(client: TcpStream, server: SocketAddr, record: Arc<Mutex<Vec<u8>>>) {
    let server = way_out(server).and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let Ok(server) = server else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upward = async {
        let mut chunk = [0_u8; 4096];
        while let Ok(count @ 1..) = from_client.read(&mut chunk).await {
            record.lock().expect("a whole record").extend_from_slice(&chunk[..count]);
            if to_server.write_all(&chunk[..count]).await.is_err() {
                break;
            }
        }
        let _gone = to_server.shutdown().await;
    };
    let downward = async {
        let _end = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _gone = to_client.shutdown().await;
    };
    tokio::join!(upward, downward);
}
