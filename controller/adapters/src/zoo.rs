//! Impostors for tests: each accepts connections, behaves in its own bad way and records every byte that it is sent.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use koan_core::secret::Login;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

/// How an impostor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impostor {
    /// Says nothing.
    Silent,
    /// Sends back what it is sent.
    Echo,
    /// Answers each request with 200.
    HttpOk,
    /// Asks each request for a login.
    HttpUnauthorised,
    /// Closes at once.
    AcceptThenClose,
    /// One byte each 100 ms.
    Trickle,
    /// Never ends.
    Endless,
    /// Says that it speaks TLS, as PostgreSQL does, and does not.
    TlsLiar,
}

impl Impostor {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Silent,
        Self::Echo,
        Self::HttpOk,
        Self::HttpUnauthorised,
        Self::AcceptThenClose,
        Self::Trickle,
        Self::Endless,
        Self::TlsLiar,
    ];
}

/// A running impostor; ends with the value.
pub struct Cage {
    /// Its port on 127.0.0.1.
    pub port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Cage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cage {
    /// Starts an impostor on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// There is none.
    pub async fn open(impostor: Impostor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                tokio::spawn(act(impostor, stream, record.clone()));
            }
        });
        Self { port, seen, task }
    }

    /// Every byte that was sent to it.
    ///
    /// # Panics
    /// A task that recorded panicked.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    /// No form of any part of the login, nor of the database, was sent.
    ///
    /// # Panics
    /// One was.
    pub fn assert_clean(&self, login: &Login, database: &str) {
        let seen = self.seen();
        let password = login.password.as_ref().map(|text| text.expose().clone()).unwrap_or_default();
        let user = login.username.clone().unwrap_or_default();
        let token = login.token.as_ref().map(|text| text.expose().clone()).unwrap_or_default();
        let both = format!("{user}:{password}");
        for canary in [&password, &user, &token, database, &both].into_iter().filter(|canary| canary.len() > 1) {
            for form in forms(canary) {
                let found = seen.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{form} was sent");
            }
        }
    }
}

/// Raw, percent, base64 and hex.
fn forms(canary: &str) -> Vec<String> {
    let hex = |separator: &str| canary.bytes().map(|byte| format!("{separator}{byte:02x}")).collect::<String>();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(canary);
    let mild: String = canary
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    vec![canary.to_owned(), mild, hex("%"), hex(""), hex("").to_uppercase(), base64]
}

async fn act(impostor: Impostor, mut stream: TcpStream, record: Arc<Mutex<Vec<u8>>>) {
    match impostor {
        Impostor::AcceptThenClose => return,
        Impostor::Trickle => return recorded(stream, &record, trickle).await,
        Impostor::Endless => return recorded(stream, &record, endless).await,
        Impostor::Silent | Impostor::Echo | Impostor::HttpOk | Impostor::HttpUnauthorised | Impostor::TlsLiar => {}
    }
    let mut chunk = [0_u8; 4096];
    loop {
        let Ok(count @ 1..) = stream.read(&mut chunk).await else { return };
        record.lock().unwrap().extend_from_slice(&chunk[..count]);
        let answer: &[u8] = match impostor {
            Impostor::Silent | Impostor::AcceptThenClose | Impostor::Trickle | Impostor::Endless => b"",
            Impostor::Echo => &chunk[..count],
            Impostor::HttpOk => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Impostor::HttpUnauthorised => {
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
            }
            Impostor::TlsLiar => b"S",
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// Speaks by itself, as products do that greet first, and records what is said to it meanwhile.
async fn recorded<F: Future<Output = ()>>(stream: TcpStream, record: &Mutex<Vec<u8>>, speak: impl Fn(OwnedWriteHalf) -> F) {
    let (mut heard, said) = stream.into_split();
    let listen = async {
        let mut chunk = [0_u8; 4096];
        while let Ok(count @ 1..) = heard.read(&mut chunk).await {
            record.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    };
    tokio::join!(listen, speak(said));
}

/// One byte each 100 ms: the greeting's own pace, which is what is tried here.
async fn trickle(mut stream: OwnedWriteHalf) {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    loop {
        pace.tick().await;
        if stream.write_all(b"%").await.is_err() {
            return;
        }
    }
}

async fn endless(mut stream: OwnedWriteHalf) {
    while stream.write_all(&[b'+'; 4096]).await.is_ok() {}
}
