//! Ends a test that hangs: with a message that names the case, instead of a silent timeout of the whole run.

use std::fmt::Display;
use std::io::{Write as _, stderr};
use std::panic::{set_hook, take_hook};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a case may take, on a slow machine under a sanitizer too. Nothing waits for this to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// Aborts the process if a case takes longer than the patience: a thread that waits for a lock which it holds itself, or that goes
/// round in a loop, cannot be ended in any other way.
pub(crate) struct Watchdog {
    case: Arc<Mutex<String>>,
    alive: Sender<()>,
}

impl Watchdog {
    pub(crate) fn new(test: &'static str) -> Self {
        let case = Arc::new(Mutex::new(String::new()));
        let seen = case.clone();
        let (alive, signs) = channel::<()>();
        thread::spawn(move || {
            loop {
                match signs.recv_timeout(PATIENCE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            let case = seen.lock().unwrap_or_else(PoisonError::into_inner);
            // Not `eprintln!`: what that captures is lost with the process.
            let _ = writeln!(stderr(), "{test}: hangs since {PATIENCE:?}; case: {case}");
            std::process::abort();
        });
        Self { case, alive }
    }

    /// Makes every panic that is reported name the case, also one that aborts the process.
    pub(crate) fn names_the_case_of_a_panic(&self) {
        let case = self.case.clone();
        let report = take_hook();
        set_hook(Box::new(move |info| {
            let case = case.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(stderr(), "case: {case}");
            report(info);
        }));
    }

    /// Names the case that starts now.
    pub(crate) fn case(&self, name: impl Display) {
        *self.case.lock().unwrap_or_else(PoisonError::into_inner) = name.to_string();
        let _ = self.alive.send(());
    }
}
