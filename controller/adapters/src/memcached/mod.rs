//! memcached, by its text protocol.

mod probe;
mod recipe;

pub(crate) use probe::Memcached;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
