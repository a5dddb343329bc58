//! The log of one test as it is written, every level of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use koan_crds::events::Event;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Records while it lives, on the thread of the test.
pub(crate) struct Record {
    sink: Sink,
    _guard: DefaultGuard,
}

impl Record {
    /// Begins to record.
    pub(crate) fn begin() -> Self {
        let sink = Sink::default();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(sink.clone()).finish();
        Self { sink, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.sink.0.lock().unwrap().clone()).unwrap()
    }

    /// The decisions so far: level, event id, message and proof of each.
    pub(crate) fn decisions(&self) -> Vec<String> {
        let lines = self.text();
        let records = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let line = |record: serde_json::Value| {
            let fields = &record["fields"];
            let message = fields["message"].as_str().filter(|message| message.starts_with('['))?.to_owned();
            let (level, proof) = (record["level"].as_str()?, fields["evidence"].as_str()?);
            Some(format!("{level} {} {message} {proof}", fields["event_id"]).trim_end().to_owned())
        };
        records.filter_map(line).collect()
    }

    /// The objects that an event was told of so far, one for each record, sorted; the records name the event.
    pub(crate) fn objects(&self, event: Event) -> Vec<String> {
        let lines = self.text();
        let records = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let told = records.map(|record| record["fields"].clone()).filter(|fields| fields["event_id"] == event.id());
        let told = told.filter(|fields| !fields["message"].as_str().is_some_and(|message| message.starts_with('[')));
        let mut objects: Vec<String> = told
            .map(|fields| {
                assert!(fields["message"].as_str().unwrap().starts_with(event.as_str()), "{fields}");
                fields["object"].as_str().unwrap().to_owned()
            })
            .collect();
        objects.sort();
        objects
    }
}
