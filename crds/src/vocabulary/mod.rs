//! Condition types, reasons and their exit codes: the words that users and scripts rely on (api.md "Conditions").

mod condition;
mod exit;
mod reason;

pub use condition::ConditionType;
pub use exit::ExitCode;
pub use reason::Reason;
