//! HTTP as Kubernetes clients speak it: paths, queries, media types and bodies, all read by hand, since stock extractors
//! refuse what real clients send.

mod body;
mod debts;
mod gzip;
mod listener;
mod media;
mod query;
mod request;
mod route;
mod websocket;

pub use body::Body;
pub(crate) use body::{json, read_limited, respond, respond_lines, respond_stream, text, warn};
pub(crate) use debts::Debts;
pub(crate) use gzip::{Packing, packed};
pub(crate) use listener::serve;
pub(crate) use media::{BodyType, Form, PatchType, body_type, negotiate, patch_type};
pub(crate) use query::Query;
pub(crate) use request::Incoming;
pub(crate) use route::{Route, Target, parse};
pub(crate) use websocket::{BEARER, Offer, Socket, Wish, farewell, hand_over, is_websocket, protocols, wish};
