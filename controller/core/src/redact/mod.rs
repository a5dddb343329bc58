//! One redaction for every room: what hides a value by its form ([`text`]), and by the field that holds it ([`body()`]).
//!
//! It knows no values: who has met some hides them beside this (CLI-34, layer 3).

mod body;
mod patterns;

pub use body::{BODY_READ_MAX, BODY_SHOWN_MAX, Shown, body};
pub use patterns::{talk, text};

/// What stands for a hidden value.
pub const MASK: &str = "***";
