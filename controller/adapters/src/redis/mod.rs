//! Redis and what speaks like it.

mod recipe;

pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
