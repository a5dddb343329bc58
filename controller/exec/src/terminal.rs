//! A child on a terminal of its own: it leads a session, so that what it starts can be interrupted, stopped and resized as at any
//! other terminal.
//!
//! Only a process itself can become the leader of a session. So the child is first a helper, which calls [`lead`] and becomes the
//! program in doing so.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::fchown;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Signal, ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::ExecError;
use crate::group::Group;
use crate::open::End;
use crate::run::{Request, plain};

/// The kind of terminal that programs are told where nothing else is said, as container engines do.
const KIND: (&str, &str) = ("TERM", "xterm");
/// What a terminal takes for the end of the input (^D).
const END_OF_INPUT: u8 = 4;
/// The account that changes nothing.
const SAME_ACCOUNT: &str = "-";

/// A child that runs on a terminal.
pub struct OnTerminal {
    /// Our side of the terminal.
    pub terminal: Terminal,
    /// Its end.
    pub end: End,
}

/// How a helper is started that becomes the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Absolute path of an executable that calls [`lead`] with what follows its own arguments.
    pub program: PathBuf,
    /// Its own arguments.
    pub arguments: Vec<OsString>,
}

/// Our side of a terminal; clones share it. It ends with the last program on the other side.
#[derive(Clone)]
pub struct Terminal {
    file: Arc<AsyncFd<File>>,
    ended: bool,
}

/// Starts a child of `request`, whose input, deadline and limit do not count, on a new terminal.
///
/// # Errors
/// [`ExecError::Start`]
pub fn open_on_terminal(request: &Request, helper: &Helper) -> Result<OnTerminal, ExecError> {
    let program = request.program.display().to_string();
    start(request, helper).map_err(|source| ExecError::Start { program, source })
}

#[expect(deprecated, reason = "its successor is unsafe; a File upholds what that one asks for")]
fn start(request: &Request, helper: &Helper) -> io::Result<OnTerminal> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    let account = match &request.account {
        // The program may open its terminal again by name.
        Some(account) => {
            fchown(&theirs, Some(account.uid), Some(account.gid))?;
            format!("{}:{}", account.uid, account.gid)
        }
        None => SAME_ACCOUNT.to_owned(),
    };
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    let mut arguments = helper.arguments.clone();
    arguments.extend([account.into(), request.program.clone().into_os_string()]);
    arguments.extend(request.arguments.iter().cloned());
    // The helper changes the account itself: that of the program may not read it.
    let mut environment = request.environment.clone();
    if environment.iter().all(|(name, _)| name != KIND.0) {
        environment.push((KIND.0.into(), KIND.1.into()));
    }
    let own = Request { program: helper.program.clone(), arguments, environment, ..request.clone() };
    let mut command = plain(&own);
    command.stdin(Stdio::from(theirs.try_clone()?)).stdout(Stdio::from(theirs.try_clone()?)).stderr(Stdio::from(theirs));
    let child = command.kill_on_drop(true).spawn()?;
    let terminal = Terminal { file: Arc::new(AsyncFd::new(File::from(ours))?), ended: false };
    Ok(OnTerminal { terminal, end: End::new(Group { child }, request.program.display().to_string()) })
}

/// Becomes the program of the arguments, as the leader of a session on the terminal that standard input is; comes back only with
/// what prevented it.
///
/// Assumptions: this process is a helper that [`open_on_terminal`] started, and `arguments` are what followed the helper's own.
pub fn lead(arguments: &[OsString]) -> io::Error {
    match become_program(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn become_program(arguments: &[OsString]) -> io::Result<Infallible> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "an account, a program and its arguments are needed");
    let [account, program, arguments @ ..] = arguments else { return Err(usage()) };
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    if account != SAME_ACCOUNT {
        let ids = account.to_str().and_then(|text| text.split_once(':')).ok_or_else(usage)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| usage());
        command.uid(number(ids.0)?).gid(number(ids.1)?);
    }
    setsid()?;
    ioctl_tiocsctty(io::stdin())?;
    listen_to_the_terminal()?;
    Err(command.exec())
}

/// Lets the program hear what a terminal sends, also where whoever started Koan ignored it (a shell's `&`, nohup): a signal with a
/// handler is back at its default in the program.
fn listen_to_the_terminal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for sent in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        drop(signal(SignalKind::from_raw(sent.as_raw()))?);
    }
    Ok(())
}

impl Terminal {
    /// Tells the programs the size of the terminal in characters.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        Ok(tcsetwinsize(self.file.get_ref(), Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
    }
}

impl AsyncRead for Terminal {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.file.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            match ready.try_io(|file| file.get_ref().read(unfilled)) {
                Ok(Ok(length)) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // Nobody holds the other side any more.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Poll::Ready(Ok(())),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.file.poll_write_ready(context))?;
            match ready.try_io(|file| file.get_ref().write(bytes)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The end of the input is a character: the terminal stays open, since output still comes through it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            ready!(self.as_mut().poll_write(context, &[END_OF_INPUT]))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
