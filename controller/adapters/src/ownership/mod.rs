//! Whose listener is it? Facts from the socket table and the engines' inventory, judged by one pure function (DET-15 to DET-17).

mod class;
mod holder;
mod reader;
mod rules;
mod table;

pub(crate) use class::{Class, Listener, Manifest, Policy, classify, policy};
pub use holder::listener_name;
pub(crate) use reader::{our_uid, read};
pub use rules::{Rule, rules};
