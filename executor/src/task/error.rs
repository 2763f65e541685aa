//! Why a task has no output.

use super::id::TaskId;
use crate::context::chain::Chain;
use lenio_sync::stop::StopReason;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Mutex;

/// Why a task ended without an output: it was cancelled, it panicked, or it was never accepted.
///
/// One word in size, so that it costs tasks without an output nothing.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     let task = lenio_executor::spawn(async { panic!("no luck") });
///     let error = task.await.unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(error.to_string(), format!("task {} panicked: no luck", error.id().unwrap()));
/// });
/// ```
pub struct JoinError(Box<Inner>);

struct Inner {
    id: Option<TaskId>,
    kind: Kind,
    throughline: Chain,
}

type BoxError = Box<dyn Error + Send + Sync>;

enum Kind {
    /// With the reason, if somebody gave one.
    Cancelled(Option<StopReason>),
    /// Before its first poll; or a promise, whose maker failed after the stop.
    Stopped(StopReason, Option<BoxError>),
    /// The error, unless a scope has taken it.
    Failed(Option<BoxError>),
    /// The task waits for itself.
    WouldDeadlock,
    /// With the reason.
    Refused(&'static str),
    /// The lock makes the error Sync, as users of error types expect; it is never contended.
    Panicked(Mutex<Box<dyn Any + Send>>),
    /// The same, but a scope has taken the payload and left the message.
    PanicTaken(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    #[cold]
    pub(crate) fn cancelled(id: Option<TaskId>, reason: Option<StopReason>) -> Self {
        Self::new(id, Kind::Cancelled(reason))
    }

    #[cold]
    pub(crate) fn stopped(id: Option<TaskId>, reason: Option<StopReason>) -> Self {
        Self::new(
            id,
            match reason {
                Some(reason) => Kind::Stopped(reason, None),
                None => Kind::Cancelled(None),
            },
        )
    }

    #[cold]
    pub(crate) fn failed(id: Option<TaskId>) -> Self {
        Self::new(id, Kind::Failed(None))
    }

    /// A promise whose maker could not keep it.
    #[cold]
    pub(crate) fn failed_with(id: Option<TaskId>, error: BoxError) -> Self {
        Self::new(id, Kind::Failed(Some(error)))
    }

    /// A promise whose maker failed after the stop.
    #[cold]
    pub(crate) fn stopped_with(id: Option<TaskId>, reason: StopReason, error: BoxError) -> Self {
        Self::new(id, Kind::Stopped(reason, Some(error)))
    }

    #[cold]
    pub(crate) fn would_deadlock(id: TaskId) -> Self {
        Self::new(Some(id), Kind::WouldDeadlock)
    }

    fn new(id: Option<TaskId>, kind: Kind) -> Self {
        Self(Box::new(Inner {
            id,
            kind,
            throughline: Chain::empty(),
        }))
    }

    #[cold]
    pub(crate) fn refused(why: &'static str) -> Self {
        Self::new(None, Kind::Refused(why))
    }

    #[cold]
    pub(crate) fn panicked(id: TaskId, payload: Box<dyn Any + Send>) -> Self {
        Self::new(Some(id), Kind::Panicked(Mutex::new(payload)))
    }

    /// The same, for a task whose panic a scope has taken.
    pub(crate) fn taken(mut self) -> Self {
        self.0.kind = match self.0.kind {
            Kind::Panicked(payload) => Kind::PanicTaken(payload),
            kind => kind,
        };
        self
    }

    pub(crate) fn with_throughline(mut self, throughline: Chain) -> Self {
        self.0.throughline = throughline;
        self
    }

    /// On whose behalf the task ran where it panicked; empty for all other errors.
    pub fn throughline(&self) -> &Chain {
        &self.0.throughline
    }

    /// Whether this is a failure that somebody has to hear of, and nobody has.
    pub(crate) fn is_unobserved_failure(&self) -> bool {
        matches!(self.0.kind, Kind::Panicked(_))
    }

    /// The task that this is about; `None` if the task was refused and never existed.
    pub fn id(&self) -> Option<TaskId> {
        self.0.id
    }

    /// Whether the task's future was dropped before it finished: by [`cancel`](super::JoinHandle::cancel), at the end of its grace, or
    /// by a shutdown.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, Kind::Cancelled(_))
    }

    /// Whether the task was stopped before its first poll, so that nothing of it ever ran. Of a [`promise`](crate::promise()): whether it
    /// was stopped before it was kept.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.kind, Kind::Stopped(..))
    }

    /// Whether the task ended with an error that its scope has taken. Of a [`promise`](crate::promise()): whether its maker failed; then the
    /// error is the [`source`](Error::source).
    pub fn is_failed(&self) -> bool {
        matches!(self.0.kind, Kind::Failed(_))
    }

    /// Whether the task would have waited for itself.
    pub fn is_deadlock(&self) -> bool {
        matches!(self.0.kind, Kind::WouldDeadlock)
    }

    /// Why the task was stopped or cancelled, if it was and somebody gave a reason.
    pub fn reason(&self) -> Option<&StopReason> {
        match &self.0.kind {
            Kind::Stopped(reason, _) => Some(reason),
            Kind::Cancelled(reason) => reason.as_ref(),
            _ => None,
        }
    }

    /// Whether the task was not accepted: its runtime is shutting down, `spawn_local` was called outside of a local set, or a
    /// [`SerialWorker`](crate::SerialWorker) was closed.
    pub fn is_refused(&self) -> bool {
        matches!(self.0.kind, Kind::Refused(_))
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0.kind, Kind::Panicked(_) | Kind::PanicTaken(_))
    }

    /// The payload of the panic. If a scope has taken it, a message that says the same.
    ///
    /// # Errors
    ///
    /// Gives the error back if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0.kind {
            Kind::Panicked(payload) | Kind::PanicTaken(payload) => Ok(payload
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
            kind => Err(Self::new(self.0.id, kind).with_throughline(self.0.throughline)),
        }
    }

    /// The payload of the panic, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Panics
    ///
    /// If the task did not panic; see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("{error}, it did not panic"),
        }
    }

    fn message(&self) -> Option<String> {
        let (Kind::Panicked(payload) | Kind::PanicTaken(payload)) = &self.0.kind else {
            return None;
        };
        let payload = payload
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Self::message_of(&**payload)
    }

    /// What a panic said.
    pub(crate) fn message_of(payload: &(dyn Any + Send)) -> Option<String> {
        let text = payload.downcast_ref::<&str>().copied();
        text.map(str::to_owned)
            .or_else(|| payload.downcast_ref::<String>().cloned())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.id {
            Some(id) => write!(f, "task {id} ")?,
            None => write!(f, "task ")?,
        }
        match (&self.0.kind, self.message()) {
            (Kind::Cancelled(reason), _) => with_reason(f, "was cancelled", reason.as_ref()),
            (Kind::Stopped(reason, _), _) => {
                with_reason(f, "was stopped before it began", Some(reason))
            }
            (Kind::Failed(None), _) => f.write_str("failed, and its scope has the error"),
            (Kind::Failed(Some(_)), _) => f.write_str("failed"),
            (Kind::WouldDeadlock, _) => f.write_str("would wait for itself"),
            (Kind::Refused(why), _) => write!(f, "was refused: {why}"),
            (Kind::Panicked(_) | Kind::PanicTaken(_), Some(message)) => {
                write!(f, "panicked: {message}")
            }
            (Kind::Panicked(_) | Kind::PanicTaken(_), None) => f.write_str("panicked"),
        }
    }
}

fn with_reason(f: &mut fmt::Formatter<'_>, what: &str, reason: Option<&StopReason>) -> fmt::Result {
    f.write_str(what)?;
    match reason.and_then(StopReason::message) {
        Some(message) => write!(f, ": {message}"),
        None => Ok(()),
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            Kind::Stopped(_, Some(error)) | Kind::Failed(Some(error)) => Some(&**error),
            _ => None,
        }
    }
}

/// For functions that return `io::Result`, as those of servers do.
impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
