//! Bounded child processes: an argument list, an exact environment, a deadline and an output limit; a child that is given up goes
//! with its whole process group. There is no shell, and nothing is inherited.

mod account;
mod error;
mod group;
mod open;
mod run;
mod terminal;

pub use account::{Account, AccountError, find_account};
pub use error::ExecError;
pub use open::{End, Opened, open};
pub use run::{Ending, Report, Request, run};
pub use terminal::{Helper, OnTerminal, Terminal, lead, open_on_terminal};
