//! PostgreSQL.

mod recipe;

pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
