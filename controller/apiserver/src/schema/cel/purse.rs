//! What the rules of one object may cost while they run, after the reference's budgets.
//!
//! A rule is weighed before it runs: what it can cost on any value of its schema, which is known, and only where that is too much,
//! what it can cost on the value that is there. The reference counts what a rule did; a rule that would have stopped early may
//! be refused here, and none runs longer than allowed.

use serde_json::Value;

use super::super::node::{Node, Rule};
use super::compile::CompiledRule;
use super::weigh::weigh_values;

/// The most that one evaluation of a rule may cost.
const CALL_LIMIT: u64 = 1_000_000;
/// The most that all evaluations for one object may cost.
const OBJECT_LIMIT: u64 = 10_000_000;
/// Evaluations for one object that may be as dear as their schema allows; behind them each one is weighed on its value.
const UNWEIGHED: u64 = OBJECT_LIMIT / 2;

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// There is enough for it.
    Little,
    /// It alone is too dear; nothing runs behind it.
    TooMuch,
    /// There is not enough left; nothing runs behind it.
    Everything,
}

/// What is left for one object.
#[derive(Debug)]
pub(super) struct Purse {
    left: u64,
    /// What was taken for evaluations by their schema's worst value.
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

    /// Takes what an evaluation can cost.
    pub(super) fn pay(
        &mut self,
        (rule, compiled): (&Rule, &CompiledRule),
        place: (&Node, bool),
        values: (&Value, Option<&Value>),
    ) -> Spent {
        let cost = if compiled.most <= CALL_LIMIT && self.unweighed.saturating_add(compiled.most) <= UNWEIGHED {
            self.unweighed += compiled.most;
            compiled.most
        } else {
            weigh_values(compiled.program.expression(), &rule.rule, place, values).cost
        };
        let spent = match self.left.checked_sub(cost) {
            _ if cost > CALL_LIMIT => Spent::TooMuch,
            Some(left) => {
                self.left = left;
                Spent::Little
            }
            None => Spent::Everything,
        };
        self.closed = spent != Spent::Little;
        spent
    }
}
