//! Waiting for all futures of a tuple.

use super::group::{Group, Round, TryGroup, Tuple, poll_round};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for all futures of a tuple and returns the tuple of their outputs.
///
/// The futures run concurrently within the task that awaits the join; each is dropped as soon as it is done. For a list of futures
/// there is [`join_all`](super::join_all), for parallel work there are tasks.
///
/// Costs no allocation. Every wake polls all unfinished futures of the tuple (up to eight).
///
/// # Panics
///
/// The returned future panics when it is polled again after it completed. A panic of one future ends the join.
///
/// # Cancel safety
///
/// Dropping the join drops all its futures, and with them the outputs of those that were done already. Where these outputs must not be
/// lost, spawn the futures or keep them pinned elsewhere and join references to them.
///
/// # Fairness
///
/// Each poll starts with another future; see [the module](super#fairness).
///
/// # Examples
///
/// ```
/// use lenio::future::join;
///
/// # lenio::block_on(async {
/// let (number, text) = join((async { 1 }, async { "two" })).await;
/// assert_eq!((number, text), (1, "two"));
/// # });
/// ```
pub fn join<T: Tuple>(futures: T) -> Join<T> {
    Join {
        group: futures.into_group(),
        start: 0,
    }
}

/// Waits for all futures of a tuple, or for the first error.
///
/// As [`join`], for futures that return results with the same error type. The first error is returned at once and the futures that
/// are not done are dropped.
///
/// # Panics
///
/// As for [`join`].
///
/// # Cancel safety
///
/// As for [`join`]; the same losses happen to the other futures when one of them fails.
///
/// # Examples
///
/// ```
/// use lenio::future::try_join;
///
/// # lenio::block_on(async {
/// let parsed = try_join((async { "1".parse::<u8>() }, async { "2".parse::<u16>() })).await;
/// assert_eq!(parsed, Ok((1, 2)));
///
/// let failed = try_join((async { "x".parse::<u8>() }, std::future::pending::<Result<(), _>>())).await;
/// assert!(failed.is_err(), "and nobody waits for the second future");
/// # });
/// ```
pub fn try_join<T>(futures: T) -> TryJoin<T>
where
    T: Tuple<Group: TryGroup>,
{
    TryJoin {
        group: futures.into_group(),
        start: 0,
    }
}

pin_project! {
    /// The future of [`join`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Join<T: Tuple> {
        #[pin]
        group: T::Group,
        start: usize,
    }
}

pin_project! {
    /// The future of [`try_join`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TryJoin<T: Tuple> {
        #[pin]
        group: T::Group,
        start: usize,
    }
}

impl<T: Tuple> Future for Join<T> {
    type Output = <T::Group as Group>::Outputs;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match poll_round(this.group.as_mut(), this.start, cx, |_, _| false) {
            Round::AllDone => Poll::Ready(this.group.take_all()),
            _ => Poll::Pending,
        }
    }
}

impl<T> Future for TryJoin<T>
where
    T: Tuple<Group: TryGroup>,
{
    type Output = Result<<T::Group as TryGroup>::Successes, <T::Group as TryGroup>::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut error = None;
        let round = poll_round(this.group.as_mut(), this.start, cx, |group, nth| {
            error = group.take_error(nth);
            error.is_some()
        });
        if let Some(error) = error {
            return Poll::Ready(Err(error));
        }
        match round {
            Round::AllDone => Poll::Ready(Ok(this.group.take_successes())),
            _ => Poll::Pending,
        }
    }
}

impl<T: Tuple> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").finish_non_exhaustive()
    }
}

impl<T: Tuple> fmt::Debug for TryJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoin").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::{pending, poll_fn, ready};
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Waker;

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn outputs_come_in_the_order_of_the_tuple_whoever_finishes_first() {
        let first_may_go = Cell::new(false);
        let first = poll_fn(|_| match first_may_go.get() {
            true => Poll::Ready('a'),
            false => Poll::Pending,
        });
        let mut joined = pin!(join((first, ready(2), ready("c"))));
        assert!(poll_once(joined.as_mut()).is_pending());
        first_may_go.set(true);
        assert_eq!(poll_once(joined), Poll::Ready(('a', 2, "c")));
    }

    #[test]
    fn each_poll_starts_with_another_future() {
        let order = RefCell::new(Vec::new());
        let named = |name| {
            let order = &order;
            poll_fn(move |_| {
                order.borrow_mut().push(name);
                Poll::<()>::Pending
            })
        };
        let mut joined = pin!(join((named(0), named(1), named(2))));
        for _ in 0..4 {
            assert!(poll_once(joined.as_mut()).is_pending());
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 2]);
    }

    #[test]
    fn a_future_is_dropped_when_it_is_done_not_when_all_are() {
        let witness = Rc::new(());
        let held = witness.clone();
        let short = async move {
            let _held = held;
        };
        let mut joined = pin!(join((short, pending::<()>())));
        assert!(poll_once(joined.as_mut()).is_pending());
        assert_eq!(Rc::strong_count(&witness), 1);
    }

    #[test]
    fn an_error_wins_over_futures_that_are_not_done() {
        let mut tried = pin!(try_join((
            pending::<Result<(), _>>(),
            ready(Ok::<_, &str>(1)),
            ready(Err::<u8, _>("no")),
        )));
        assert_eq!(poll_once(tried.as_mut()), Poll::Ready(Err("no")));
    }

    #[test]
    fn eight_futures_are_not_too_many() {
        let one = || ready(1);
        let all = (one(), one(), one(), one(), one(), one(), one(), one());
        let mut joined = pin!(join(all));
        assert_eq!(
            poll_once(joined.as_mut()),
            Poll::Ready((1, 1, 1, 1, 1, 1, 1, 1))
        );
    }

    #[test]
    #[should_panic(expected = "polled after it had completed")]
    fn a_second_completion_is_refused() {
        let mut joined = pin!(join((ready(1), ready(2))));
        assert!(poll_once(joined.as_mut()).is_ready());
        let _ = poll_once(joined.as_mut());
    }
}
