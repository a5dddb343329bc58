//! The simulated engine as controllers see it: the contract over a world, with faults by call number.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use koan_core::inventory::{EngineInfo, EngineMachine, Inventory, WorkloadState};
use koan_core::outcome::{Failure, Outcome};
use koan_core::probe::{Address, Vantage};
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_crds::v1alpha1::{EngineName, FailureClass};
use koan_crds::vocabulary::Reason;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::fault::{CallRecord, Fault};
use super::state::{Late, Signal, State};
use super::steps;
use super::world::SimWorld;
use crate::{
    DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hint, Hints, Interactive, LogLine, LogOptions, LogStream,
    OpenRequest, Opened, Scope, Tunnel,
};

/// Name of the engine in its messages.
pub(super) const TITLE: &str = "the simulated engine";
/// How often a followed log looks for new lines.
const FOLLOW_POLL: Duration = Duration::from_millis(100);

/// A connection to a simulated world.
#[derive(Clone)]
pub struct SimEngine {
    world: SimWorld,
}

impl SimEngine {
    pub(super) fn new(world: SimWorld) -> Self {
        Self { world }
    }

    /// One read: takes its time and fails while the engine is down.
    async fn read<T>(&self, read: impl FnOnce(&State) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let latency = {
            let mut state = self.world.lock();
            state.reads += 1;
            state.latency
        };
        pass(latency).await;
        let state = self.world.settled();
        if state.up { read(&state) } else { Err(unreachable_read()) }
    }

    /// Runs a step now; a program that ignores TERM keeps its stop waiting for the whole grace.
    async fn run(&self, step: &Step, values: &Values) -> Outcome {
        let deaf_until = {
            let state = self.world.settled();
            if !state.up {
                return lost();
            }
            deaf_until(&state, &step.action)
        };
        let Some(due) = deaf_until else {
            return steps::run(&mut self.world.settled(), step, values);
        };
        // It ends even if the caller does not wait for it.
        self.world.lock().late.push(Late { due, step: step.clone(), values: values.clone() });
        tokio::time::sleep_until(due).await;
        let mut state = self.world.settled();
        match steps::run(&mut state, step, values) {
            Outcome::Done(done) => Outcome::Done(koan_core::outcome::Done { changed: true, ..done }),
            other => other,
        }
    }

    async fn run_with(&self, fault: Option<&Fault>, step: &Step, values: &Values) -> Outcome {
        match fault {
            None => self.run(step, values).await,
            Some(Fault::BeforeSend) => lost(),
            Some(Fault::ReplyLost) => {
                self.run(step, values).await;
                lost()
            }
            Some(Fault::Twice) => {
                let first = self.run(step, values).await;
                self.run(step, values).await;
                first
            }
            Some(Fault::LandsLate(delay)) => {
                let due = Instant::now() + *delay;
                self.world.lock().late.push(Late { due, step: step.clone(), values: values.clone() });
                lost()
            }
            Some(Fault::Hangs(time)) => {
                tokio::time::sleep(*time).await;
                lost()
            }
            Some(Fault::Refused(failure)) => Outcome::Failed(failure.clone()),
        }
    }
}

/// When a stop of a program that ignores TERM ends it.
fn deaf_until(state: &State, action: &StepAction) -> Option<Instant> {
    let StepAction::Stop { object, grace } = action else { return None };
    let id = steps::find(state, object).ok()??;
    let workload = state.workloads.get(&id).filter(|workload| workload.state == WorkloadState::Running)?;
    state.program(workload).deaf.then(|| Instant::now() + *grace)
}

async fn pass(latency: Duration) {
    if latency.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(latency).await;
    }
}

fn lost() -> Outcome {
    Outcome::Failed(Failure {
        class: FailureClass::Transient,
        reason: Reason::EngineUnreachable,
        message: format!("{TITLE} does not answer: the connection was lost"),
        remedy: Some(format!("see whether {TITLE} runs; Koan goes on as soon as it answers")),
    })
}

fn unreachable_read() -> EngineError {
    EngineError::Unreachable {
        engine: TITLE,
        endpoint: "sim".to_owned(),
        source: std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
    }
}

fn not_found(object: &str) -> EngineError {
    EngineError::NotFound { engine: TITLE, object: object.to_owned() }
}

#[async_trait]
impl Interactive for SimEngine {
    async fn open(&self, object: &ObjectRef, _request: &OpenRequest) -> Result<Opened, EngineError> {
        Err(EngineError::Refused {
            engine: "sim",
            verb: "exec in",
            object: object.name.clone(),
            source: "a simulated program cannot be talked to".into(),
        })
    }
}

#[async_trait]
impl Engine for SimEngine {
    fn id(&self) -> EngineName {
        self.world.lock().engine
    }

    async fn info(&self) -> EngineInfo {
        let available = self.read(|_| Ok(())).await.is_ok();
        let state = self.world.lock();
        EngineInfo {
            engine: state.engine,
            available,
            reason: (!available).then(|| "does not answer".to_owned()),
            remedy: (!available).then(|| "start it".to_owned()),
            version: available.then(|| "1.0".to_owned()),
            endpoint: Some("sim".to_owned()),
            api_version: available.then(|| "1.51".to_owned()),
            rootless: false,
            capabilities: state.capabilities,
            machine: EngineMachine::default(),
        }
    }

    async fn inventory(&self, scope: &Scope) -> Result<Inventory, EngineError> {
        self.read(|state| Ok(state.inventory(scope))).await
    }

    fn watch(&self, scope: &Scope) -> Hints {
        let state = self.world.lock();
        if !state.up {
            return futures::stream::empty().boxed();
        }
        let (receiver, world, instance) = (state.signals.subscribe(), self.world.clone(), scope.instance.clone());
        drop(state);
        let subscription = Subscription { world, receiver, instance };
        let later = futures::stream::unfold(subscription, |mut subscription| async move {
            let hint = subscription.next().await?;
            Some((hint, subscription))
        });
        futures::stream::once(async { Hint::Relist }).chain(later).boxed()
    }

    async fn apply(&self, step: &Step, values: &Values) -> Outcome {
        let (index, fault, latency) = {
            let mut state = self.world.settled();
            let index = state.calls.len();
            let fault = state.faults.get(&index).cloned();
            let record = CallRecord {
                index,
                at: state.age(),
                verb: step.action.verb(),
                object: steps::name_of(&step.action).to_owned(),
                fault: fault.clone(),
                // What a caller hears that is gone before the answer.
                outcome: Outcome::Waiting { what: "no answer yet".to_owned(), delay: Duration::ZERO },
            };
            state.calls.push(record);
            (index, fault, state.latency)
        };
        pass(latency).await;
        let outcome = self.run_with(fault.as_ref(), step, values).await;
        if let Some(record) = self.world.lock().calls.get_mut(index) {
            record.outcome = outcome.clone();
        }
        outcome
    }

    async fn logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError> {
        let object = object.clone();
        self.read(|state| steps::find(state, &object).ok().flatten().map(drop).ok_or_else(|| not_found(&object.name))).await?;
        let lines = lines_of(&self.world, &object, options);
        let shown = lines.len();
        let skipped = options.tail.map_or(0, |tail| shown.saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX)));
        let now = futures::stream::iter(lines.into_iter().skip(skipped).map(Ok));
        if !options.follow || options.previous {
            return Ok(now.boxed());
        }
        let (world, options) = (self.world.clone(), options.clone());
        let later = futures::stream::unfold((world, object, options, shown), |(world, object, options, mut shown)| async move {
            loop {
                if let Some(line) = lines_of(&world, &object, &options).into_iter().nth(shown) {
                    shown += 1;
                    return Some((Ok(line), (world, object, options, shown)));
                }
                tokio::time::sleep(FOLLOW_POLL).await;
            }
        });
        Ok(now.chain(later).boxed())
    }

    /// Knows three commands: `cat PATH` prints a mounted file, `letters N` prints N times `x`, `sleep MILLISECONDS` takes its time.
    async fn exec(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError> {
        let files = self
            .read(|state| {
                let id = steps::find(state, object).ok().flatten();
                let workload = id.and_then(|id| state.workloads.get(&id));
                let running = workload.filter(|workload| workload.state == WorkloadState::Running);
                running.map(|workload| workload.files.clone()).ok_or_else(|| not_found(&object.name))
            })
            .await?;
        let words: Vec<&str> = request.command.iter().map(String::as_str).collect();
        let (exit_code, mut output) = match words.as_slice() {
            ["cat", path] => files.get(*path).map_or((Some(1), String::new()), |text| (Some(0), text.clone())),
            ["letters", count] => (Some(0), "x".repeat(count.parse().unwrap_or_default())),
            ["sleep", millis] => {
                let wanted = Duration::from_millis(millis.parse().unwrap_or_default());
                tokio::time::sleep(wanted.min(request.timeout)).await;
                ((wanted <= request.timeout).then_some(0), String::new())
            }
            _ => (Some(127), String::new()),
        };
        output.truncate(request.output_limit);
        Ok(ExecReport { exit_code, output })
    }

    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        self.read(|state| {
            let id = steps::find(state, object).ok().flatten();
            let running = id
                .and_then(|id| state.workloads.get(&id))
                .filter(|workload| workload.state == WorkloadState::Running)
                .ok_or_else(|| not_found(&object.name))?;
            let entry = running.spec.ports.iter().find(|port| port.container == request.container_port);
            let host = match request.vantage {
                Vantage::Host if running.spec.networks.is_empty() => {
                    let port = entry.and_then(|port| port.host).ok_or_else(|| not_found(&object.name))?;
                    return Ok(tunnel("127.0.0.1".to_owned(), port));
                }
                Vantage::Host => running.address.to_string(),
                Vantage::Stack => running.spec.alias.clone(),
                Vantage::Cluster => return Err(not_found(&object.name)),
            };
            Ok(tunnel(host, request.container_port))
        })
        .await
    }
}

fn tunnel(host: String, port: u16) -> Tunnel {
    Tunnel { address: Address::Tcp { host, port }, guard: None }
}

/// Lines of a workload up to now; of the previous run where that is asked for.
fn lines_of(world: &SimWorld, object: &ObjectRef, options: &LogOptions) -> Vec<LogLine> {
    let state = world.settled();
    let workload = steps::find(&state, object).ok().flatten().and_then(|id| state.workloads.get(&id));
    let Some(workload) = workload else { return Vec::new() };
    let shown = |run: u32, line: &LogLine| {
        let of_run = !options.previous || run + 1 == workload.starts;
        of_run && options.since.is_none_or(|since| line.at.is_none_or(|at| at >= since))
    };
    workload.lines.iter().filter(|(run, line)| shown(*run, line)).map(|(_, line)| line.clone()).collect()
}

/// One watcher: it also moves the world when nobody else does, so that an exit is hinted at on time.
struct Subscription {
    world: SimWorld,
    receiver: Receiver<Signal>,
    instance: koan_core::identity::InstanceId,
}

impl Subscription {
    async fn next(&mut self) -> Option<Hint> {
        loop {
            let due = self.world.next_due();
            let wake = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = self.receiver.recv() => match signal {
                    Ok(Signal::Object(id)) if self.is_ours(&id) => return Some(Hint::Object(id)),
                    Ok(Signal::Object(_)) => {}
                    Ok(Signal::Lost) | Err(RecvError::Closed) => return None,
                    Err(RecvError::Lagged(_)) => return Some(Hint::Relist),
                },
                () = wake => {}
            }
        }
    }

    /// Foreign objects are left out; what is gone may have been ours.
    fn is_ours(&self, id: &koan_core::identity::ObjectId) -> bool {
        let state = self.world.lock();
        let owner = state
            .workloads
            .get(id)
            .map(|workload| &workload.owner)
            .or_else(|| state.networks.get(id).map(|network| &network.owner));
        owner.is_none_or(|owner| owner.as_ref().is_some_and(|owner| owner.instance == self.instance))
    }
}
