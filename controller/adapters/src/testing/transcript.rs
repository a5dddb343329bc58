//! An HTTP server that answers each path with one prepared answer and records every byte that it is sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers by the beginning of a request, such as `GET /v1/meta `; the first that fits is given.
pub(crate) type Answers = Vec<(String, Vec<u8>)>;

/// An answer with this status and a JSON body.
pub(crate) fn json(path: &str, status: u16, body: &str) -> (String, Vec<u8>) {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    (format!("GET {path} "), (head + body).into_bytes())
}

/// A running server; ends with the value.
pub(crate) struct Stage {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage {
    pub(crate) async fn open(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answers, record) = (Arc::new(answers), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                tokio::spawn(play(stream, answers.clone(), record.clone()));
            }
        });
        Self { port, seen, task }
    }

    /// Everything that was sent to it.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

async fn play(mut stream: TcpStream, answers: Arc<Answers>, record: Arc<Mutex<Vec<u8>>>) {
    let mut question = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut question).await {
        record.lock().unwrap().extend_from_slice(&question[..count]);
        let asked = String::from_utf8_lossy(&question[..count]).into_owned();
        let found = answers.iter().find(|(start, _answer)| asked.starts_with(start.as_str()));
        let answer = found.map_or(&b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"[..], |(_start, answer)| answer);
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
