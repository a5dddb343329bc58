//! Kafka and what speaks like it.

mod codec;
mod probe;
mod recipe;

pub(crate) use probe::Kafka;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
