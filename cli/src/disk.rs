//! A server whose disk is full: it answers and keeps what it has, but nothing that it is told lasts (REL-20).

use std::time::Duration;

use koan_crds::vocabulary::ExitCode;

use crate::failure::{Failure, ROOM_HINT};
use crate::home::Session;

/// How often a wait asks whether the server's store takes writes.
const LOOK: Duration = Duration::from_secs(2);
/// Looks in a row that find it refusing before a wait ends: one refused write may be followed by a good one.
const LOOKS: u32 = 2;

/// Ends once the server's store refuses writes, with its reason; never while it takes them.
pub(crate) async fn refuses(session: &Session) -> Failure {
    let mut refused = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        match cause(session).await {
            Some(message) if refused + 1 >= LOOKS => {
                return Failure::Home { message, hint: ROOM_HINT.to_owned(), exit: ExitCode::General };
            }
            Some(_) => refused += 1,
            None => refused = 0,
        }
    }
}

/// What the store's own check says; `None` where it passes, or where the server does not answer, which the wait sees by itself.
async fn cause(session: &Session) -> Option<String> {
    let request = http::Request::get("/readyz/store").body(Vec::new()).ok()?;
    match session.client.request_text(request).await {
        Err(kube::Error::Api(status)) if status.code == 500 => Some(status.message),
        Ok(_) | Err(_) => None,
    }
}
