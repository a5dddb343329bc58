//! MySQL and MariaDB: one protocol, two products; the version in the greeting tells them apart.

mod authentication;
mod greeting;
mod packet;
mod probe;
mod recipe;
mod result;
mod session;

pub(crate) use probe::{MARIADB, MYSQL};
pub(crate) use recipe::{mariadb, mysql};

#[cfg(test)]
mod tests;
