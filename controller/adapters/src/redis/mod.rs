//! Redis and what speaks like it.

mod probe;
mod recipe;
mod resp;

pub(crate) use probe::Redis;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
