//! etcd.

mod answers;
mod probe;
mod recipe;

pub(crate) use probe::Etcd;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
