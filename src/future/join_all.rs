//! Waiting for all futures of a list.

use super::ready::Ready;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How many futures one poll serves before it lets other tasks run.
const POLLS_AT_ONCE: usize = 256;

/// Waits for all futures of a list and returns their outputs in the order of the list.
///
/// Only futures that were woken are polled, so the whole costs time linear in the number of futures and wakes, for ten as for ten
/// thousand. Each future is dropped as soon as it is done.
///
/// Allocates two small boxes per future: its pinned place and its waker.
///
/// # Panics
///
/// The returned future panics when it is polled again after it completed. A panic of one future ends the join.
///
/// # Cancel safety
///
/// Dropping the join drops all its futures and the outputs of those that were done. Where these must not be lost, spawn the futures
/// as tasks and join the handles.
///
/// # Fairness
///
/// Futures are polled in the order of their wakes. After 256 polls the join goes to the back of its worker's queue.
///
/// # Examples
///
/// ```
/// use lenio::future::join_all;
///
/// # lenio::block_on(async {
/// let squares = join_all((0..4).map(|n| async move { n * n })).await;
/// assert_eq!(squares, [0, 1, 4, 9]);
/// # });
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children: Vec<Child<I::Item>> = futures
        .into_iter()
        .map(|future| Child::Running(Box::pin(future), None))
        .collect();
    JoinAll {
        ready: Ready::with_all(children.len()),
        running: children.len(),
        children: Some(children),
    }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct JoinAll<F: Future> {
    ready: Arc<Ready>,
    /// How many children are not done.
    running: usize,
    /// `None` once the outputs were handed out.
    children: Option<Vec<Child<F>>>,
}

enum Child<F: Future> {
    /// The waker is made for the first poll.
    Running(Pin<Box<F>>, Option<Waker>),
    Done(F::Output),
}

// The futures are pinned in boxes of their own, and outputs are never pinned.
impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(children) = &mut this.children else {
            panic!("a join was polled after it had completed");
        };
        // Before the list is read: a number that comes after its end was seen finds the waker.
        this.ready.set_task(Some(cx.waker().clone()));
        // Who wakes itself while it is polled has its next turn in the next poll: that is what yielding means.
        for _ in 0..this.ready.len().min(POLLS_AT_ONCE) {
            let Some(number) = this.ready.pop() else {
                break;
            };
            this.running -= usize::from(children[number].poll(&this.ready, number));
        }
        if this.running > 0 {
            if this.ready.len() > 0 {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        this.ready.set_task(None);
        let children = this.children.take().unwrap_or_default();
        Poll::Ready(children.into_iter().map(Child::output).collect())
    }
}

impl<F: Future> Child<F> {
    /// Polls the future if it still runs; tells whether this finished it.
    fn poll(&mut self, ready: &Arc<Ready>, number: usize) -> bool {
        let Self::Running(future, waker) = self else {
            return false;
        };
        let waker = waker.get_or_insert_with(|| ready.waker(number));
        match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(output) => {
                *self = Self::Done(output);
                true
            }
            Poll::Pending => false,
        }
    }

    fn output(self) -> F::Output {
        match self {
            Self::Done(output) => output,
            _ => unreachable!("no child runs any more"),
        }
    }
}

impl<F: Future> Drop for JoinAll<F> {
    fn drop(&mut self) {
        // The futures may have left their wakers with others: these must not hold on to the task.
        self.ready.set_task(None);
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn ten_thousand_futures_woken_one_by_one_are_polled_twice_each() {
        const FUTURES: usize = 10_000;
        let polls = Cell::new(0);
        let wakers = RefCell::new(vec![None::<Waker>; FUTURES]);
        let is_open = RefCell::new(vec![false; FUTURES]);
        let child = |n: usize| {
            let (polls, wakers, is_open) = (&polls, &wakers, &is_open);
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                if is_open.borrow()[n] {
                    return Poll::Ready(n);
                }
                wakers.borrow_mut()[n] = Some(cx.waker().clone());
                Poll::Pending
            })
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut joined = pin!(join_all((0..FUTURES).map(child)));
        while polls.get() < FUTURES {
            assert!(joined.as_mut().poll(&mut cx).is_pending());
        }
        for n in 0..FUTURES - 1 {
            is_open.borrow_mut()[n] = true;
            let waker = wakers.borrow_mut()[n].take();
            waker.expect("polled once").wake();
            assert!(joined.as_mut().poll(&mut cx).is_pending());
        }
        is_open.borrow_mut()[FUTURES - 1] = true;
        let waker = wakers.borrow_mut()[FUTURES - 1].take();
        waker.expect("polled once").wake();
        let Poll::Ready(outputs) = joined.as_mut().poll(&mut cx) else {
            panic!("all are done");
        };
        assert!(outputs.into_iter().eq(0..FUTURES));
        assert_eq!(polls.get(), 2 * FUTURES);
    }

    #[test]
    fn a_long_list_lets_others_run_in_between() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut joined = pin!(join_all((0..POLLS_AT_ONCE + 1).map(std::future::ready)));
        assert!(joined.as_mut().poll(&mut cx).is_pending());
        assert_eq!(
            count.0.load(Ordering::Relaxed),
            1,
            "it asks to be polled again"
        );
        assert!(joined.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn several_wakes_between_two_polls_wake_the_task_once() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let wakers = RefCell::new(Vec::new());
        let child = |_| {
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            })
        };
        let mut joined = pin!(join_all((0..3).map(child)));
        let mut cx = Context::from_waker(&waker);
        assert!(joined.as_mut().poll(&mut cx).is_pending());
        for waker in wakers.borrow_mut().drain(..) {
            waker.wake_by_ref();
            waker.wake();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_wake_during_the_poll_is_kept() {
        let polled = Cell::new(0);
        let child = poll_fn(|cx| {
            polled.set(polled.get() + 1);
            cx.waker().wake_by_ref();
            match polled.get() {
                3 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        let mut joined = pin!(join_all([child]));
        let mut cx = Context::from_waker(Waker::noop());
        while joined.as_mut().poll(&mut cx).is_pending() {}
        assert_eq!(polled.get(), 3);
    }

    #[test]
    fn an_empty_list_is_done_at_once() {
        let mut joined = pin!(join_all(Vec::<std::future::Ready<()>>::new()));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(joined.as_mut().poll(&mut cx), Poll::Ready(vec![]));
    }
}
