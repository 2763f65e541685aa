//! What becomes of failures in a scope.

use crate::task::JoinError;
use lenio_sync::stop::Stopped;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

/// What a scope does when one of its children fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It stops the others and its own body, with the kind [`SiblingFailed`](lenio_sync::stop::StopKind::SiblingFailed).
    #[default]
    StopSiblings,
    /// It lets them finish.
    LetFinish,
}

/// The failures in a scope: the first in time, and all that came after it.
///
/// # Examples
///
/// ```
/// use lenio_executor::try_scope;
///
/// lenio_executor::block_on(async {
///     let error = try_scope(|s| async move {
///         s.spawn_fallible(async { Err::<(), _>("no luck") });
///         Ok(())
///     });
///     assert_eq!(error.await.unwrap_err().first, "no luck");
/// });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ScopeError<E> {
    /// The first failure.
    pub first: E,
    /// The others, in the order in which they came.
    pub rest: Vec<E>,
}

impl<E> ScopeError<E> {
    /// All failures, first come first.
    pub fn into_all(self) -> impl Iterator<Item = E> {
        std::iter::once(self.first).chain(self.rest)
    }
}

impl<E: fmt::Display> fmt::Display for ScopeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        match self.rest.len() {
            0 => Ok(()),
            more => write!(f, " (and {more} more failures)"),
        }
    }
}

impl<E: Error + 'static> Error for ScopeError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.first)
    }
}

/// What children and body have left behind.
pub(super) struct Failures<E> {
    pub(super) panic: Option<Box<dyn Any + Send>>,
    pub(super) errors: Vec<E>,
}

impl<E> Failures<E> {
    pub(super) const fn new() -> Self {
        Self {
            panic: None,
            errors: Vec::new(),
        }
    }
}

/// Whether an error is merely a stop: [`Stopped`], a [`JoinError`] of a stop or cancel, or one of them in a box or an `io::Error`.
pub(super) fn is_stop<E: 'static>(error: &E) -> bool {
    let error: &dyn Any = error;
    let boxed = [
        error
            .downcast_ref::<Box<dyn Error + Send + Sync>>()
            .map(|error| is_stop_error(&**error)),
        error
            .downcast_ref::<Box<dyn Error + Send>>()
            .map(|error| is_stop_error(&**error)),
        error
            .downcast_ref::<Box<dyn Error>>()
            .map(|error| is_stop_error(&**error)),
        error.downcast_ref::<io::Error>().map(is_io_stop),
        error.downcast_ref::<JoinError>().map(is_join_stop),
    ];
    error.is::<Stopped>() || boxed.into_iter().flatten().any(|is_stop| is_stop)
}

fn is_stop_error(error: &(dyn Error + 'static)) -> bool {
    error.is::<Stopped>()
        || error.downcast_ref().is_some_and(is_join_stop)
        || error.downcast_ref().is_some_and(is_io_stop)
}

fn is_join_stop(error: &JoinError) -> bool {
    error.is_stopped() || error.is_cancelled()
}

fn is_io_stop(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| is_stop_error(inner))
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use lenio_sync::stop::{StopKind, StopReason};

    #[test]
    fn a_stop_is_recognised_through_boxes_and_io_errors() {
        let stopped = || Stopped::new(StopReason::new(StopKind::Requested));
        assert!(is_stop(&stopped()));
        assert!(is_stop::<Box<dyn Error>>(&stopped().into()));
        assert!(is_stop::<Box<dyn Error + Send + Sync>>(&stopped().into()));
        assert!(is_stop(&io::Error::other(stopped())));
        assert!(is_stop::<Box<dyn Error>>(
            &io::Error::other(stopped()).into()
        ));
        assert!(is_stop(&JoinError::cancelled(None, None)));
        assert!(!is_stop(&JoinError::failed(None)));
        assert!(!is_stop(&io::Error::from(io::ErrorKind::Other)));
        assert!(!is_stop(&"text"));
    }
}
