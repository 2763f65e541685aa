//! What a task runs: a future, or something that ends with more than a value.

use super::error::JoinError;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a task. Every future is one; its output is the task's.
pub(crate) trait Body {
    /// What the join handle yields.
    type Output;

    /// As [`Future::poll`], with the whole outcome of the task.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Output, JoinError>>;
}

impl<F: Future> Body for F {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, JoinError>> {
        Future::poll(self, cx).map(Ok)
    }
}
