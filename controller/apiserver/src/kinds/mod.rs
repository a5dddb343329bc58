//! What is served: one [`Resource`] per group, version and plural, from the built-in table or from a stored
//! CustomResourceDefinition, gathered in a [`Registry`].

mod builtin;
mod canonical;
mod core_rules;
mod core_schema;
mod data_rules;
mod definition;
mod event;
mod event_rules;
mod extended;
mod namespace;
mod registry;
mod resource;
mod scale_rules;
mod shape;

pub(crate) use builtin::{CRDS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES};
pub(crate) use canonical::{Draft, encode, partial};
pub(crate) use core_rules::{blank, prepare, rest, settle, validate, warnings};
pub(crate) use definition::{condition, resources_of, stored_resource_of};
pub(crate) use event::{from_storage, is_stored_shape, to_storage};
pub(crate) use extended::{add as add_extended, extensions};
pub(crate) use namespace::{KUBERNETES, STANDARD_FINALIZERS, undomained};
pub(crate) use registry::Registry;
pub(crate) use resource::{Compiled, CoreKind, Origin, Resource, Scale, is_mirror};
pub(crate) use shape::reshape as reshape_schemas;
