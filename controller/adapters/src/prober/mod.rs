//! The live prober: asks the world, in the order Locate → Identify → Own → Authenticate → Authorise, within named budgets.

mod credentials;
mod greet;
mod live;
mod resolve;

pub use credentials::REFUSED_LIMIT;
pub use live::{AT_ONCE, LiveProber};
pub(crate) use resolve::resolve;

#[cfg(test)]
mod tests;
