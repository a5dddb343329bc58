//! What consumers of a service are given: its outputs, as seen from where they stand (DET-30 to DET-34).
//!
//! Values are resolved here, just before they are used, and live no longer than that call (B-7).

mod bound;
mod login;
mod peer;
mod values;

pub(crate) use bound::Place;
pub(crate) use login::{CREDENTIAL_KEYS, login_at, login_of, login_of_keys, part_of};
pub(crate) use peer::{main_port, peer};
pub(crate) use values::{of_workload, resolve, vantage};
