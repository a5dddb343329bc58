//! Mosquitto, and every other broker of MQTT 3.1.1 or 5.

mod packet;
mod probe;
mod recipe;

pub(crate) use probe::Mosquitto;
pub(crate) use recipe::recipe;

#[cfg(test)]
mod tests;
