//! What clients of an API server did and saw, written down by the clients, and whether a correct server can have
//! answered so. It shares no code with the server (REL-19) and reads no clock.

mod check;
mod record;
#[cfg(test)]
mod tests;

pub use check::violations;
pub use record::{Act, Attempt, Event, EventKind, History, List, Outcome, Read, Seen, Watch};
