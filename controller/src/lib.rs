//! The controllers for `DevStack` and `ServiceSpec`: they wire the kinds to the pure stages of `koan-core`.
//!
//! validate → questions → gather → decide → plan → apply → conclude → publish; level-based, without memory that matters:
//! a restart at any await is safe.

mod apply;
mod arbiter;
mod collector;
mod context;
mod controllers;
mod dispatch;
mod events;
mod gateway;
mod gather;
mod health;
mod injection;
mod loopback;
mod mirror;
mod pool;
mod ports;
mod publish;
mod reader;
mod relay;
mod report;
mod runtime;
mod service;
mod stack;
mod subject;

pub use controllers::{Builder, Controllers};
pub use gateway::{ApiError, ApiKind, ApiVerb, ApiWrite, Effect, Fault, Hook, NoHook, Ruling, Tally};
pub use gather::PROBE_PAUSE;
pub use mirror::{Held, Mirror, RestartError};
pub use ports::{Clock, Host, OsRandom, Random, SystemClock, SystemHost};
pub use reader::{ApiReader, ReadError, Reader, Resource, Snapshot, StoreReader};
pub use report::{PlanError, PlanReport, ServicePlan};
pub use runtime::{ApiSource, Change, Changes, Key, Kind, RunError, Source, WatchedKind};
