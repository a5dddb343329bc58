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
pub(crate) use body::{in_encoding, json, read_limited, respond, respond_lines, respond_stream, text, warn};
pub(crate) use debts::Debts;
pub(crate) use gzip::{Packing, packed};
pub(crate) use listener::serve;
pub(crate) use media::{
    BODY_TYPES, BodyType, Encoding, Form, PatchType, STREAM_TYPES, Transforms, accepts, body_type, encoding, negotiate,
    patch_type,
};
pub(crate) use query::Query;
pub(crate) use request::Incoming;
pub(crate) use route::{Route, Target, is_watch_path, parse};
pub(crate) use websocket::{BEARER, Offer, Socket, Wish, farewell, hand_over, is_websocket, protocols, wish};
