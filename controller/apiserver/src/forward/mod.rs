//! Ports of a Pod forwarded over one WebSocket: what a client sends goes to a connection that the embedding process opens, and
//! what comes from there goes back. The connections share the socket as plain channels or as streams of a SPDY tunnel.

mod channels;
mod drive;
mod lane;
mod talk;

pub(crate) use channels::{CHANNEL_PROTOCOLS, Channels};
pub(crate) use drive::drive;
pub(crate) use lane::Source;
pub(crate) use talk::{Heard, Said, Talk};
