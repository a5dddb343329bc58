//! SPDY/3.1 as kubectl speaks it inside a WebSocket to forward ports: frames, compressed headers, and pairs of streams.
//!
//! Pure: bytes of the client go in, what they mean comes out. It opens no streams of its own and, like the reference and all
//! its clients, keeps no flow-control windows: what a connection does not take holds up the whole tunnel, in bounded queues.

mod dictionary;
mod endpoint;
mod frame;
mod headers;
#[cfg(test)]
mod tests;

pub(crate) use endpoint::Endpoint;
