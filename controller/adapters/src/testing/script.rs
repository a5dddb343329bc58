//! A server that follows a script: recorded bytes stand in for versions and answers that no server of this machine gives.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One step of a script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Says these bytes.
    Say(Vec<u8>),
    /// Waits until the client said something.
    Hear,
}

/// Says a text.
pub(crate) fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

/// A running script, the same for each connection; ends with the value.
pub(crate) struct Script {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    pub(crate) async fn open(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                tokio::spawn(follow(steps.clone(), stream, record.clone()));
            }
        });
        Self { port, heard, task }
    }

    /// Whether these bytes were said to it.
    pub(crate) fn heard(&self, bytes: &[u8]) -> bool {
        self.heard.lock().unwrap().windows(bytes.len()).any(|window| window == bytes)
    }
}

/// Follows the script, then listens until the client leaves.
async fn follow(steps: Vec<Step>, mut stream: TcpStream, record: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0_u8; 4096];
    for step in steps.iter().chain(std::iter::repeat(&Step::Hear)) {
        match step {
            Step::Say(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Step::Hear => {
                let Ok(count @ 1..) = stream.read(&mut chunk).await else { return };
                record.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        }
    }
}
