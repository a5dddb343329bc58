//! NATS.

mod info;
mod probe;
mod recipe;

pub(crate) use probe::Nats;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
