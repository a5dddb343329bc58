//! MongoDB and what speaks like it.

mod bson;
mod message;
mod probe;
mod recipe;

pub(crate) use probe::MongoDb;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
