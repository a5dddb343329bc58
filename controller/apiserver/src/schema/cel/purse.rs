//! What the rules of one object may cost while they run, after the reference's budgets.
//!
//! An expression is weighed before it runs: by what it can cost on any value of its schema, which is known, and where that is too
//! much, by what it can cost on the value that is there. The reference counts what an expression did; one that would have stopped
//! early may be refused here, and none runs longer than allowed.

use serde_json::Value;

use super::super::node::Node;
use super::compile::Priced;
use super::weigh::weigh_values;

/// The most that one evaluation may cost.
const CALL_LIMIT: u64 = 1_000_000;
/// The most that all evaluations for one object may cost.
const OBJECT_LIMIT: u64 = 10_000_000;
/// What of it may go to evaluations that are taken for as dear as their schema allows; behind it each one is weighed on its value.
const UNWEIGHED: u64 = OBJECT_LIMIT / 10;

/// Whether an evaluation can be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// It can.
    Enough,
    /// It alone is too dear; nothing runs behind it.
    TooMuch,
    /// There is not enough left; nothing runs behind it.
    Everything,
}

/// What is left for one object.
#[derive(Debug)]
pub(super) struct Purse {
    left: u64,
    /// What was taken by the worst value of a schema.
    unweighed: u64,
    closed: bool,
}

impl Purse {
    pub(super) fn full() -> Self {
        Self { left: OBJECT_LIMIT, unweighed: 0, closed: false }
    }

    /// Nothing runs any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes what an evaluation can cost whose `self` and `oldSelf` are these values at `place`.
    pub(super) fn pay(&mut self, priced: &Priced, place: (&Node, bool), values: (&Value, Option<&Value>)) -> Spent {
        let unweighed = self.unweighed.saturating_add(priced.most);
        let cost = if priced.most <= CALL_LIMIT && unweighed <= UNWEIGHED {
            self.unweighed = unweighed;
            priced.most
        } else {
            weigh_values(priced.program.expression(), place, values)
        };
        // What is too dear is not run to its end either where it is counted: that much of it is paid.
        let Some(left) = self.left.checked_sub(cost.min(CALL_LIMIT + 1)) else {
            self.closed = true;
            return Spent::Everything;
        };
        self.left = left;
        self.closed = cost > CALL_LIMIT;
        if self.closed { Spent::TooMuch } else { Spent::Enough }
    }
}
