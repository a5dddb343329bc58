//! Placeholder for the first commit of the room.

pub mod codec;
pub mod patch;
pub mod schema;
pub mod ssa;
pub mod table;
