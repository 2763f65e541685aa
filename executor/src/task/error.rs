//! Why a task has no output.

use super::id::TaskId;
use std::any::Any;
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
}

enum Kind {
    Cancelled,
    /// With the reason.
    Refused(&'static str),
    /// The lock makes the error Sync, as users of error types expect; it is never contended.
    Panicked(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    #[cold]
    pub(crate) fn cancelled(id: TaskId) -> Self {
        Self(Box::new(Inner {
            id: Some(id),
            kind: Kind::Cancelled,
        }))
    }

    #[cold]
    pub(crate) fn refused(why: &'static str) -> Self {
        Self(Box::new(Inner {
            id: None,
            kind: Kind::Refused(why),
        }))
    }

    #[cold]
    pub(crate) fn panicked(id: TaskId, payload: Box<dyn Any + Send>) -> Self {
        Self(Box::new(Inner {
            id: Some(id),
            kind: Kind::Panicked(Mutex::new(payload)),
        }))
    }

    /// The task that this is about; `None` if the task was refused and never existed.
    pub fn id(&self) -> Option<TaskId> {
        self.0.id
    }

    /// Whether the task's future was dropped before it finished: by [`cancel`](super::JoinHandle::cancel) or by a shutdown.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, Kind::Cancelled)
    }

    /// Whether the task was not accepted: its runtime is shutting down, or `spawn_local` was called outside of a local set.
    pub fn is_refused(&self) -> bool {
        matches!(self.0.kind, Kind::Refused(_))
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0.kind, Kind::Panicked(_))
    }

    /// The payload of the panic.
    ///
    /// # Errors
    ///
    /// Gives the error back if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0.kind {
            Kind::Panicked(payload) => Ok(payload
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
            kind => Err(Self(Box::new(Inner {
                id: self.0.id,
                kind,
            }))),
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
        let Kind::Panicked(payload) = &self.0.kind else {
            return None;
        };
        let payload = payload
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
            (Kind::Cancelled, _) => f.write_str("was cancelled"),
            (Kind::Refused(why), _) => write!(f, "was refused: {why}"),
            (Kind::Panicked(_), Some(message)) => write!(f, "panicked: {message}"),
            (Kind::Panicked(_), None) => f.write_str("panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

/// For functions that return `io::Result`, as those of servers do.
impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
