//! Streams of a command over one WebSocket: `v5.channel.k8s.io` and its elders. Each message begins with its channel: input,
//! output, error output, status, terminal size; 255 closes one (v5).

mod drive;
mod wire;

pub(crate) use drive::drive;
pub(crate) use wire::{PROTOCOLS, Protocol};
