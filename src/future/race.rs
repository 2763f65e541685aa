//! The first future of a tuple.

use super::group::{Racers, Round, Tuple, poll_round};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for the first future of a tuple to finish, returns its output and drops the others.
///
/// All futures have the same output type; where they differ, map them into an enum, or use [`select`](super::select) for two. To keep
/// a loser, race a pinned reference to it.
///
/// Costs no allocation. Every wake polls all futures of the tuple (up to eight).
///
/// # Panics
///
/// The returned future panics when it is polled again after it completed. A panic of one future ends the race.
///
/// # Cancel safety
///
/// Losers are dropped at the suspension point where they stand, so race only what is cancel safe itself: what a half-done read or
/// receive took with it is lost. Dropping the race drops all its futures.
///
/// # Fairness
///
/// The first poll goes through the futures in the order of the tuple: if several are ready at once, the foremost wins, so the urgent
/// one (a stop signal, a deadline) belongs in front. Later polls of the same race start with another future each time. A loop that
/// starts a new race each time around, with a first future that is always ready, never gets to the second.
///
/// # Examples
///
/// ```
/// use lenio::future::race;
/// use std::future::pending;
///
/// # lenio::block_on(async {
/// let winner = race((pending(), async { "done" }, pending())).await;
/// assert_eq!(winner, "done");
/// # });
/// ```
pub fn race<T>(futures: T) -> Race<T>
where
    T: Tuple<Group: Racers>,
{
    Race {
        group: futures.into_group(),
        start: 0,
    }
}

pin_project! {
    /// The future of [`race`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Race<T: Tuple> {
        #[pin]
        group: T::Group,
        start: usize,
    }
}

impl<T> Future for Race<T>
where
    T: Tuple<Group: Racers>,
{
    type Output = <T::Group as Racers>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match poll_round(this.group.as_mut(), this.start, cx, |_, _| true) {
            Round::Enough(nth) => Poll::Ready(this.group.take_nth(nth)),
            _ => Poll::Pending,
        }
    }
}

impl<T: Tuple> fmt::Debug for Race<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, poll_fn, ready};
    use std::pin::pin;
    use std::task::Waker;

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn of_several_that_are_ready_at_once_the_foremost_wins() {
        let mut raced = pin!(race((pending(), ready(2), ready(3))));
        assert_eq!(poll_once(raced.as_mut()), Poll::Ready(2));
    }

    #[test]
    fn later_polls_start_elsewhere() {
        let open = Cell::new(false);
        let gate = |name| {
            let open = &open;
            poll_fn(move |_| match open.get() {
                true => Poll::Ready(name),
                false => Poll::Pending,
            })
        };
        let mut raced = pin!(race((gate("first"), gate("second"))));
        assert!(poll_once(raced.as_mut()).is_pending());
        open.set(true);
        assert_eq!(poll_once(raced.as_mut()), Poll::Ready("second"));
    }
}
