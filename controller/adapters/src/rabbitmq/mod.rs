//! RabbitMQ.

mod frame;
mod probe;
mod recipe;

pub(crate) use probe::RabbitMq;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
