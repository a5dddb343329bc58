//! Progress on stderr: one line per change of state, or one JSON object (CLI-21).

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;

use crate::arguments::{Globals, ProgressKind};
use crate::output::{ProgressEvent, ServiceView, colour, say};

/// Redraws a second at most.
const REDRAWS: u8 = 10;
/// Pause between two frames of a spinner.
const TICK: Duration = Duration::from_millis(200);

/// Shows changes of services.
pub(crate) enum Progress {
    Silent,
    Plain,
    Json,
    Bars { all: MultiProgress, lines: BTreeMap<String, ProgressBar> },
}

impl Progress {
    /// The kind that flags and terminal ask for.
    pub(crate) fn of(globals: &Globals) -> Self {
        match globals.progress {
            _ if globals.quiet => Self::Silent,
            ProgressKind::None => Self::Silent,
            ProgressKind::Json => Self::Json,
            ProgressKind::Plain => Self::Plain,
            ProgressKind::Auto if colour(globals, std::io::stderr().is_terminal()) && std::io::stderr().is_terminal() => {
                Self::Bars {
                    all: MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stderr_with_hz(REDRAWS)),
                    lines: BTreeMap::new(),
                }
            }
            ProgressKind::Auto => Self::Plain,
        }
    }

    /// A service changed its state.
    pub(crate) fn changed(&mut self, service: &ServiceView) {
        let text = format!("{}: {} ({})", service.name, service.state, service.health);
        match self {
            Self::Silent => {}
            Self::Plain => say(false, &text),
            Self::Json => {
                say(false, &serde_json::to_string(&ProgressEvent::of(service)).unwrap_or_default());
            }
            Self::Bars { all, lines } => {
                let bar = lines.entry(service.name.clone()).or_insert_with(|| {
                    let bar = all.add(ProgressBar::new_spinner());
                    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                        bar.set_style(style);
                    }
                    bar.enable_steady_tick(TICK);
                    bar
                });
                bar.set_message(text);
                if service.is_ready() {
                    bar.finish();
                }
            }
        }
    }

    /// Clears what was drawn.
    pub(crate) fn clear(&self) {
        if let Self::Bars { all, .. } = self {
            // A closed terminal is not an error of its own.
            let _ = all.clear();
        }
    }
}
