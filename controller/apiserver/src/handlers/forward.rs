//! `/portforward` of a Pod over a WebSocket: plain channels, or the tunnel that kubectl opens.

use http::Response;

use super::call::Call;
use super::exec::{offer, running};
use super::pod::pod;
use crate::forward::{CHANNEL_PROTOCOLS, Channels, Source, drive};
use crate::http::Body;
use crate::spdy::Endpoint;
use crate::status::Failure;

/// The subprotocol of a SPDY connection inside the WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// The clients that open a WebSocket for ports.
const CLIENTS: &str = "kubectl 1.31 and newer open one, kubectl 1.30 does with KUBECTL_PORT_FORWARD_WEBSOCKETS=true";

/// Answers a client that forwards ports.
pub(super) fn forward(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let (object, pod) = pod(&call)?;
    let offer = offer(&call, CLIENTS)?;
    running(&call, &object)?;
    let permit = call.core.admit_stream()?;
    let protocol = offer.choose(&[TUNNEL, CHANNEL_PROTOCOLS[0], CHANNEL_PROTOCOLS[1]])?;
    let source = Source { workloads: call.core.workloads()?, pod };
    let stopping = call.core.stopping();
    if protocol == Some(TUNNEL) {
        let tunnel = Endpoint::new();
        return Ok(offer.accept(protocol, move |socket| Box::pin(drive(socket, tunnel, source, stopping, permit))));
    }
    let channels = Channels::new(protocol, call.incoming.query.every("ports")).map_err(Failure::bad_request)?;
    Ok(offer.accept(protocol, move |socket| Box::pin(drive(socket, channels, source, stopping, permit))))
}
