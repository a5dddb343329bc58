//! HTTP/1.1 for probes: bounded questions over one connection, no redirect followed, no proxy asked. hyper's client is not used: it
//! hides how many bytes came, and that tells a silent listener from a slow one and a slow one from another protocol.

mod codec;
mod session;

pub(crate) use session::{Answer, Header, Session, odd};

#[cfg(test)]
mod tests;
