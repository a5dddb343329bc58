//! What a trace tells of an engine's calls: each with its answer, none with a secret.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use koan_core::outcome::Outcome;
use koan_core::step::{DataEffect, Downtime, Step, StepAction, StepId};
use koan_core::text::{Text, ValueRef, Values};
use koan_core::workload::EnvEntry;
use koan_core::{redact::MASK, secret::Secret};
use koan_engines::Engine;
use koan_engines::exchange::WIRE;
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::mocked::{ready_to_create, workload};
use crate::socket::FakeEngine;

/// What was told, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the records").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("the records").clone()).expect("text")
    }
}

/// Tells this thread's requests, as `level` says, until the guard goes.
fn listen(level: LevelFilter) -> (Told, tracing::subscriber::DefaultGuard) {
    let told = Told::default();
    let writer = told.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(Targets::new().with_target(WIRE, level)).with(layer);
    (told, tracing::subscriber::set_default(subscriber))
}

fn step(action: StepAction) -> Step {
    Step {
        id: StepId(0),
        object: "object".to_owned(),
        cause: "a test".to_owned(),
        evidence: Vec::new(),
        repair: false,
        downtime: Downtime::None,
        data_effect: DataEffect::None,
        depends_on: Vec::new(),
        action,
    }
}

/// ENG-5, CLI-3, SEC-11: a trace tells each call with its body and each answer with status, duration and body, the values of
/// variables hidden; what is done is the same with and without it, over as many connections.
#[tokio::test(flavor = "current_thread")]
async fn sec_11_a_trace_tells_each_call_and_answer_without_secrets() {
    let mut done = Vec::new();
    for level in [LevelFilter::OFF, LevelFilter::TRACE] {
        let fake = FakeEngine::start("1.41");
        let (told, guard) = listen(level);
        let engine = fake.moby();
        ready_to_create(&fake, json!(null));
        let reference = ValueRef::Literal { key: "level".to_owned() };
        let mut values = Values::default();
        values.insert(reference.clone(), Secret::new("hunter2".to_owned()));
        let mut spec = workload();
        spec.env.push(EnvEntry { name: "LEVEL".to_owned(), value: Text::value(reference) });
        let outcome = engine.apply(&step(StepAction::Create(Box::new(spec))), &values).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        assert!(fake.only("POST /v1.41/containers/create").body.to_string().contains("LEVEL=hunter2"));
        // Filters of a query stand in no order.
        let sent: Vec<_> = fake.requests().into_iter().map(|request| (request.call, request.body)).collect();
        done.push((sent, fake.connections()));
        drop(guard);
        let text = told.text();
        if level == LevelFilter::OFF {
            assert_eq!(text, "");
            continue;
        }
        assert!(!text.contains("hunter2"), "{text}");
        let create: Vec<&str> = text.lines().filter(|line| line.contains("/v1.41/containers/create")).collect();
        for part in
            ["request method=POST uri=\"unix://", &format!("LEVEL={MASK}"), "answer method=POST", "status=201", "\"Id\":\"c1\""]
        {
            assert!(create.iter().any(|line| line.contains(part)), "{part}: {text}");
        }
        assert!(create.iter().any(|line| line.contains("milliseconds=")), "{text}");
    }
    let traced = done.pop().expect("two runs");
    assert_eq!(done.pop().expect("two runs"), traced);
}
