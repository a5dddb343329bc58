//! TLS of probes: verified where a candidate demands it, before any byte of a login is sent; unverified where a loopback server merely
//! offers it, which proves nothing.

mod fault;
mod suspect;
mod unverified;
mod verified;
mod verifier;

pub(crate) use fault::of_stream;
pub(crate) use suspect::{only, suspected};
pub(crate) use unverified::unverified;
pub(crate) use verified::Verified;

#[cfg(test)]
mod tests;
