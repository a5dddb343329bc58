//! Vault and OpenBao.

mod probe;
mod recipe;

pub(crate) use probe::Vault;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
