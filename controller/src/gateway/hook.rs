//! Where a simulator takes hold of the run.

use super::effect::Effect;

/// What becomes of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is sent.
    Proceed,
    /// The run ends before it is sent.
    CutBefore,
    /// It is sent, and the run ends before anybody sees the reply.
    CutAfter,
    /// It is not sent, and fails.
    Fail(Fault),
    /// It is sent, and its reply is lost: it fails all the same.
    LoseReply(Fault),
    /// It is sent twice; the second reply counts.
    Twice,
}

/// How an effect fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer: the connection broke.
    Connection,
    /// The API server answered with this HTTP status; an engine failed for the time being.
    Status(u16),
}

/// Sees each effect before and after it is sent. Called in order of numbers.
pub trait Hook: Send + Sync + 'static {
    /// Rules on an effect.
    fn before(&self, number: u64, effect: &Effect) -> Ruling;

    /// The effect was sent and answered; `ok` is false where it failed.
    fn after(&self, number: u64, effect: &Effect, ok: bool);
}

/// Lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHook;

impl Hook for NoHook {
    fn before(&self, _: u64, _: &Effect) -> Ruling {
        Ruling::Proceed
    }

    fn after(&self, _: u64, _: &Effect, _: bool) {}
}
