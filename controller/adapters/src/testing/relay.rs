//! A recorder in front of a real server: what Koan's side sent, and how often it connected.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running recorder; ends with the value. Its listener belongs to the user of the tests.
pub(crate) struct Relay {
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    bytes: Vec<u8>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    pub(crate) async fn open(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let record = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _peer)) = listener.accept().await {
                record.lock().unwrap().connections += 1;
                tokio::spawn(carry(client, server, record.clone()));
            }
        });
        Self { port, seen, task }
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// How often these bytes were sent to the server.
    pub(crate) fn sent(&self, wanted: &[u8]) -> usize {
        self.seen.lock().unwrap().bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
    }
}

async fn carry(client: TcpStream, server: u16, record: Arc<Mutex<Seen>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let ((mut from, mut back), (mut answers, mut to)) = (client.into_split(), server.into_split());
    let forth = async move {
        let mut chunk = [0_u8; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            record.lock().unwrap().bytes.extend_from_slice(&chunk[..count]);
            if to.write_all(&chunk[..count]).await.is_err() {
                return;
            }
        }
    };
    let answered = async move { tokio::io::copy(&mut answers, &mut back).await };
    let _ended = tokio::join!(forth, answered);
}
