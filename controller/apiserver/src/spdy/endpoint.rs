//! The server's side of a tunnel: pairs of streams become connections.
//!
//! A connection is an error stream and a data stream with the same request id; it opens when both are there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::frame::{self, Decoder, Farewell, Frame, Reset};
use super::headers::{Inflater, empty_block};
use crate::forward::{Heard, Said, Talk};

/// Connections that may be open at a time, whole pairs and halves together.
const PAIR_LIMIT: usize = 256;
/// How long a pair may stay half.
const PAIR_TIME: Duration = Duration::from_secs(30);

/// The streams of one connection.
#[derive(Debug, Default)]
struct Pair {
    error: Option<u32>,
    data: Option<u32>,
    port: u16,
    /// When it is given up unless it is whole.
    until: Option<Instant>,
}

/// A stream of the client.
#[derive(Debug)]
struct Open {
    /// Its pair.
    request: String,
    is_data: bool,
}

/// The server's side of one tunnel.
pub(crate) struct Endpoint {
    decoder: Decoder,
    headers: Inflater,
    streams: HashMap<u32, Open>,
    pairs: BTreeMap<String, Pair>,
    /// The highest number of a stream so far.
    last: u32,
    replied: bool,
    ready: VecDeque<Heard>,
    over: bool,
}

impl Endpoint {
    /// One without streams.
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            headers: Inflater::new(),
            streams: HashMap::new(),
            pairs: BTreeMap::new(),
            last: 0,
            replied: false,
            ready: VecDeque::new(),
            over: false,
        }
    }

    fn answer(&mut self, bytes: Bytes) {
        self.ready.push_back(Heard::Answer(Message::Binary(bytes)));
    }

    /// Ends a tunnel whose bytes make no sense.
    fn fail(&mut self, why: &dyn std::error::Error) {
        tracing::debug!("a tunnel ends: {why}");
        self.answer(frame::go_away(self.last, Farewell::ProtocolError));
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        self.ready.push_back(Heard::Over);
    }

    fn hear(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Open { stream, fin, block } => match self.headers.read(&block) {
                Ok(headers) => self.open(stream, fin, &headers, now),
                Err(error) => self.fail(&error),
            },
            Frame::Headers { block } => {
                if let Err(error) = self.headers.read(&block) {
                    self.fail(&error);
                }
            }
            Frame::Data { stream, fin, bytes } => {
                // An error stream carries nothing this way; a stream that is gone may still be written to.
                if self.streams.get(&stream).is_some_and(|open| open.is_data) {
                    if !bytes.is_empty() {
                        self.ready.push_back(Heard::Data { lane: stream, bytes });
                    }
                    if fin {
                        self.ready.push_back(Heard::End { lane: stream });
                    }
                }
            }
            Frame::Reset { stream } => {
                // A client that gives up one stream of a pair has no use for the other.
                if let Some(request) = self.streams.get(&stream).filter(|open| open.is_data).map(|open| open.request.clone()) {
                    self.forget(&request);
                    self.ready.push_back(Heard::Drop { lane: stream });
                }
            }
            // Even numbers are those of a server, which asks for none.
            Frame::Ping { id } if id % 2 == 1 => self.answer(frame::pong(id)),
            Frame::Ping { .. } | Frame::Other => {}
            Frame::GoAway => self.end(),
        }
    }

    fn open(&mut self, stream: u32, fin: bool, headers: &BTreeMap<String, String>, now: Instant) {
        if stream.is_multiple_of(2) || stream <= self.last {
            return self.answer(frame::reset(stream, Reset::ProtocolError));
        }
        self.last = stream;
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let port = header("port").parse::<u16>().ok().filter(|port| *port > 0);
        let (Some(port), is_data @ ("data" | "error")) = (port, header("streamtype")) else {
            return self.answer(frame::reset(stream, Reset::Cancel));
        };
        let is_data = is_data == "data";
        let request = match header("requestid") {
            // Old clients open the error stream first and the data stream next.
            "" if is_data => stream.saturating_sub(2).to_string(),
            "" => stream.to_string(),
            id => id.to_owned(),
        };
        if self.pairs.len() >= PAIR_LIMIT && !self.pairs.contains_key(&request) {
            return self.answer(frame::reset(stream, Reset::Refused));
        }
        let pair = self.pairs.entry(request.clone()).or_insert_with(|| Pair { until: Some(now + PAIR_TIME), ..Pair::default() });
        let place = if is_data { &mut pair.data } else { &mut pair.error };
        if place.is_some() {
            return self.answer(frame::reset(stream, Reset::Cancel));
        }
        *place = Some(stream);
        if is_data {
            pair.port = port;
        }
        let whole = pair.error.and(pair.data);
        let port = pair.port;
        if whole.is_some() {
            pair.until = None;
        }
        self.streams.insert(stream, Open { request, is_data });
        let first = !std::mem::replace(&mut self.replied, true);
        self.answer(frame::reply(stream, &empty_block(first)));
        if let Some(lane) = whole {
            self.ready.push_back(Heard::Open { lane, port });
        }
        if fin && is_data {
            self.ready.push_back(Heard::End { lane: stream });
        }
    }

    /// Forgets a pair and its streams.
    fn forget(&mut self, request: &str) -> Option<Pair> {
        let pair = self.pairs.remove(request)?;
        for stream in [pair.data, pair.error].into_iter().flatten() {
            self.streams.remove(&stream);
        }
        Some(pair)
    }

    /// Gives up what stayed half for too long.
    fn expire(&mut self, now: Instant) {
        let late: Vec<String> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.until.is_some_and(|until| until <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for request in late {
            let Some(Pair { error, data, .. }) = self.forget(&request) else { continue };
            if let Some(error) = error {
                self.answer(frame::data(error, false, format!("(request={request}) timed out waiting for streams").as_bytes()));
            }
            for stream in [error, data].into_iter().flatten() {
                self.answer(frame::reset(stream, Reset::Cancel));
            }
        }
    }
}

impl Talk for Endpoint {
    fn take(&mut self, message: Message) {
        match message {
            Message::Binary(bytes) => self.decoder.take(&bytes),
            Message::Close(_) => self.end(),
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn next(&mut self, now: Instant) -> Option<Heard> {
        self.expire(now);
        loop {
            if let Some(heard) = self.ready.pop_front() {
                return Some(heard);
            }
            if self.over {
                return None;
            }
            match self.decoder.next() {
                Ok(Some(frame)) => self.hear(frame, now),
                Ok(None) => return None,
                Err(error) => self.fail(&error),
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.pairs.values().filter_map(|pair| pair.until).min()
    }

    fn say(&mut self, lane: u32, said: Said) -> Vec<Message> {
        let Some(request) = self.streams.get(&lane).map(|open| open.request.clone()) else { return Vec::new() };
        let bytes = match said {
            Said::Data(bytes) => vec![frame::data(lane, false, &bytes)],
            Said::End => {
                let error = self.forget(&request).and_then(|pair| pair.error);
                std::iter::once(lane).chain(error).map(|stream| frame::data(stream, true, b"")).collect()
            }
            Said::Fault(text) => {
                let error = self.forget(&request).and_then(|pair| pair.error);
                let text = error.map(|error| frame::data(error, false, text.as_bytes()));
                let resets = std::iter::once(lane).chain(error).map(|stream| frame::reset(stream, Reset::Cancel));
                text.into_iter().chain(resets).collect()
            }
        };
        bytes.into_iter().map(Message::Binary).collect()
    }
}
