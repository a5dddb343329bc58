//! PostgreSQL.

mod guard;
mod probe;
mod recipe;

pub(crate) use probe::Postgres;
pub(crate) use recipe::{ID, recipe};

#[cfg(test)]
mod tests;
