//! The first of two futures, and the other one back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Either<L, R> {
    /// The left one.
    Left(L),
    /// The right one.
    Right(R),
}

/// Waits for the first of two futures and returns its output together with the other future, which can be awaited on.
///
/// The futures have to be [`Unpin`], because the loser moves: pin them first, with [`pin!`](std::pin::pin) on the stack or
/// [`Box::pin`]. Where the loser is not needed, [`race`](super::race) drops it.
///
/// # Panics
///
/// The returned future panics when it is polled again after it completed.
///
/// # Cancel safety
///
/// Nothing is lost in a selection that completes: the loser is given back in the state in which it is. Dropping the selection drops
/// both futures; select between pinned references to keep them.
///
/// # Fairness
///
/// The first poll looks at the left future first, the next at the right one, and so on in turns. If both are ready at the first poll,
/// the left one wins.
///
/// # Examples
///
/// ```
/// use lenio::future::{Either, select};
/// use std::pin::pin;
///
/// # lenio::block_on(async {
/// let slow = pin!(async { lenio::yield_now().await; "slow" });
/// let fast = pin!(async { "fast" });
/// match select(slow, fast).await {
///     Either::Left((output, _fast)) => panic!("{output} was first"),
///     Either::Right((output, slow)) => {
///         assert_eq!(output, "fast");
///         assert_eq!(slow.await, "slow");
///     }
/// }
/// # });
/// ```
pub fn select<A, B>(a: A, b: B) -> Select<A, B>
where
    A: Future + Unpin,
    B: Future + Unpin,
{
    Select {
        both: Some((a, b)),
        right_first: false,
    }
}

/// The future of [`select`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Select<A, B> {
    both: Option<(A, B)>,
    right_first: bool,
}

impl<A, B> Future for Select<A, B>
where
    A: Future + Unpin,
    B: Future + Unpin,
{
    type Output = Either<(A::Output, B), (B::Output, A)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let right_first = self.right_first;
        self.right_first = !right_first;
        let Some((mut a, mut b)) = self.both.take() else {
            panic!("a selection was polled after it had completed");
        };
        for is_right in [right_first, !right_first] {
            if is_right {
                if let Poll::Ready(output) = Pin::new(&mut b).poll(cx) {
                    return Poll::Ready(Either::Right((output, a)));
                }
            } else if let Poll::Ready(output) = Pin::new(&mut a).poll(cx) {
                return Poll::Ready(Either::Left((output, b)));
            }
        }
        self.both = Some((a, b));
        Poll::Pending
    }
}

impl<A, B> fmt::Debug for Select<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::task::Waker;

    #[test]
    fn the_loser_comes_back() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut selected = select(ready(1), pending::<()>());
        match Pin::new(&mut selected).poll(&mut cx) {
            Poll::Ready(Either::Left((1, mut loser))) => {
                assert!(Pin::new(&mut loser).poll(&mut cx).is_pending());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn of_two_that_are_ready_at_once_the_left_wins() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut selected = select(ready(1), ready(2));
        let outcome = Pin::new(&mut selected).poll(&mut cx);
        assert!(matches!(outcome, Poll::Ready(Either::Left((1, _)))));
    }
}
