//! A join handle whose failure fails the benchmark: no row may count a task that panicked or was cancelled.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Unwraps the result of a join handle, without adding to its size.
pub(crate) struct Joined<J>(pub(crate) J);

impl<T, E: Debug, J: Future<Output = Result<T, E>> + Unpin> Future for Joined<J> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let result = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(result.expect("a task of a benchmark ran to its end"))
    }
}
