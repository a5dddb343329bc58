//! Lines of a text protocol: each ends with CR LF, is UTF-8 and has a limit.

use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use crate::wire::{Fault, GREETING, Wire};

/// What ends a line.
const END: &[u8] = b"\r\n";

/// A connection that is read line by line, each within the deadline.
pub(crate) struct Lines {
    wire: Wire,
    rest: Vec<u8>,
    limit: usize,
    deadline: Instant,
}

impl Lines {
    /// Reads lines of at most `limit` bytes.
    pub(crate) fn over(wire: Wire, limit: usize, deadline: Instant) -> Self {
        Self { wire, rest: Vec::new(), limit, deadline }
    }

    /// Sends everything.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.wire.send(bytes, self.deadline).await
    }

    /// The next line, without its end.
    pub(crate) async fn next(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(line) = split(&mut self.rest)? {
                return Ok(line);
            }
            self.wire.more(&mut self.rest, self.limit, self.deadline).await?;
        }
    }

    /// The first line of a connection: it comes within the time of a greeting.
    pub(crate) async fn greeting(&mut self) -> Result<String, Fault> {
        let whole = self.deadline;
        self.deadline = whole.min(Instant::now() + GREETING);
        let line = self.next().await;
        self.deadline = whole;
        line
    }

    /// The connection itself, for TLS over it; bytes that came before their time are nobody's.
    pub(crate) fn into_wire(self) -> Result<Wire, Fault> {
        if self.rest.is_empty() {
            Ok(self.wire)
        } else {
            Err(Fault::new(EvidenceCode::WrongProtocol, "it goes on before the TLS handshake"))
        }
    }
}

/// Takes a whole line from the start of the bytes; `None` while it goes on.
fn split(bytes: &mut Vec<u8>) -> Result<Option<String>, Fault> {
    let Some(end) = bytes.windows(END.len()).position(|pair| pair == END) else { return Ok(None) };
    let line = std::str::from_utf8(&bytes[..end]).map(str::to_owned).map_err(|_| Fault::wrong(bytes))?;
    bytes.drain(..end + END.len());
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// P6: whatever a server sends, its lines are taken whole and in order, or it is another protocol.
        #[test]
        fn p6_any_bytes_are_lines_or_none(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut rest = bytes.clone();
            let mut taken = Vec::new();
            while let Ok(Some(line)) = split(&mut rest) {
                taken.extend_from_slice(line.as_bytes());
                taken.extend_from_slice(END);
            }
            taken.extend_from_slice(&rest);
            proptest::prop_assert_eq!(taken, bytes);
        }
    }
}
