//! A panic of a command is a bug, told like every other failure: exit 70, with its place and without secrets (CLI-17, SEC-11).

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// Where the last panic of this process happened.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Keeps panics of this process from being printed as they are: a server logs them, whose log hides secrets; a command keeps their
/// place for [`caught`].
pub(crate) fn watch(serves: bool) {
    set_hook(Box::new(move |info: &PanicHookInfo| {
        let place = info.location().map(|location| format!("{}:{}", location.file(), location.line()));
        if serves {
            tracing::error!(place = place.as_deref().unwrap_or_default(), "panicked: {}", words(info.payload()));
        }
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

/// The result of the work; a panic inside is [`Failure::Bug`].
///
/// # Errors
/// Those of the work, and [`Failure::Bug`].
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Nothing that the work held is looked at again: the process ends.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
        Err(Failure::Bug { message: format!("panicked{place}: {}", words(payload.as_ref())) })
    })
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-17, CLI-20: a panic inside a command ends with 70 and a hint what to report; other results pass.
    #[test]
    fn a_panic_is_a_bug_with_exit_70() {
        watch(false);
        let failure = caught::<u8>(|| panic!("index {} of 2", 7)).expect_err("a panic");
        assert_eq!((failure.exit(), failure.reason().as_str()), (70, "Bug"));
        let message = failure.to_string();
        assert!(message.starts_with("panicked at cli/src/panics.rs:") && message.ends_with(": index 7 of 2"), "{message}");
        assert!(failure.hints().iter().any(|hint| hint.contains("report")));
        assert_eq!(caught(|| Ok(4)).ok(), Some(4));
        let usage = Failure::Usage { message: "m".to_owned(), hint: "h".to_owned() };
        assert_eq!(caught::<u8>(|| Err(usage)).expect_err("a failure").exit(), 2);
    }
}
