//! What a server has done.

use lenio_executor::JoinError;
use lenio_sync::stop::StopReason;
use std::fmt;
use std::io;

/// What a server did until it ended. Every accepted connection is counted once as finished, panicked or cancelled.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ServeReport {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections whose handler returned.
    pub finished: u64,
    /// Those of the finished ones whose handler returned after the stop had come: they were drained.
    pub drained: u64,
    /// Connections whose handler panicked.
    pub panicked: u64,
    /// Connections that were cancelled because the grace was over, or whose task the runtime dropped in its own shutdown.
    pub cancelled: u64,
    /// Calls of `accept` that failed; [`on_error`](super::Serve::on_error) sees each.
    pub accept_errors: u64,
    /// Why the server stopped.
    pub reason: Option<StopReason>,
    /// Why the listener could not go on, if it ended the server.
    pub broken: Option<io::Error>,
}

impl ServeReport {
    pub(super) fn count(&mut self, outcome: &Result<(), JoinError>) {
        match outcome {
            Ok(()) => {
                self.finished += 1;
                self.drained += u64::from(self.reason.is_some());
            }
            Err(error) if error.is_panic() => self.panicked += 1,
            Err(_) => self.cancelled += 1,
        }
    }
}

impl fmt::Display for ServeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections accepted: {} finished ({} of them after the stop), {} panicked, {} cancelled; {} errors of accept",
            self.accepted,
            self.finished,
            self.drained,
            self.panicked,
            self.cancelled,
            self.accept_errors
        )?;
        match &self.broken {
            Some(error) => write!(f, "; the listener broke: {error}"),
            None => Ok(()),
        }
    }
}
