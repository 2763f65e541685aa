//! A value that is made at the first need.

use super::slot::{Claim, Lot, Slot, Turn};
use crate::primitive::Mutex;
use crate::wait::block_on;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future that makes the value of a [`Lazy`].
pub type BoxedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A value that is made when it is asked for the first time, in a way that is stored with it.
///
/// [`force`](Self::force) starts the stored function and drives its future. That future belongs to the `Lazy`, not to the caller: if
/// the caller is cancelled, the next one goes on where it stopped, so the function runs once. Use [`OnceCell`](crate::OnceCell) where
/// each caller brings its own way to make the value, or where a failed attempt is to be repeated.
///
/// The future is boxed when it is started, and it must be `Send`, because callers on different threads may drive it in turn. Neither
/// costs anything once the value is there.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Lazy, wait::block_on};
///
/// let table = Lazy::new(|| async { vec![1, 2, 3] });
/// assert_eq!(table.get(), None);
/// assert_eq!(block_on(table.force()).len(), 3);
/// assert!(table.is_set());
/// ```
pub struct Lazy<T, F = fn() -> BoxedFuture<T>> {
    slot: Slot<T>,
    /// Taken out, for the time of one poll, by whoever has the turn.
    making: Mutex<Making<T, F>>,
}

enum Making<T, F> {
    NotStarted(F),
    Running(BoxedFuture<T>),
    /// Somebody polls it; or it is over: with the value, or, if there is none, with a panic.
    Out,
}

impl<T, F> Lazy<T, F> {
    /// Stores `init` for the first [`force`](Self::force). Nothing runs yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lazy, once::BoxedFuture};
    ///
    /// struct Settings {
    ///     /// With a plain function the type has a name.
    ///     port: Lazy<u16>,
    /// }
    /// let settings = Settings { port: Lazy::new(|| Box::pin(async { 80 })) };
    /// assert_eq!(settings.port.force_blocking(), &80);
    /// ```
    pub fn new(init: F) -> Self {
        Self {
            slot: Slot::new(None),
            making: Mutex::new(Making::NotStarted(init)),
        }
    }

    /// The value, if it is there. Starts nothing. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let lazy = lenio_sync::Lazy::new(|| async { 3 });
    /// assert_eq!(lazy.get(), None);
    /// lazy.force_blocking();
    /// assert_eq!(lazy.get(), Some(&3));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.slot.get()
    }

    /// Whether the value is there. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let lazy = lenio_sync::Lazy::new(|| async { 3 });
    /// assert!(!lazy.is_set());
    /// # lazy.force_blocking();
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Gives the value back, if it was made.
    ///
    /// # Examples
    ///
    /// ```
    /// let lazy = lenio_sync::Lazy::new(|| async { 3 });
    /// lazy.force_blocking();
    /// assert_eq!(lazy.into_inner(), Some(3));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.slot.into_inner()
    }
}

impl<T, F, Fut> Lazy<T, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T> + Send + 'static,
{
    /// Returns the value, and makes it if that has not happened yet.
    ///
    /// Of several callers one drives the stored future, the others wait. Whoever drives it and then no longer polls, without being
    /// dropped, keeps all others waiting. A stored function that forces the same `Lazy` waits for ever.
    ///
    /// Costs one load if the value is there; else a lock per poll, and one allocation in all.
    ///
    /// # Panics
    ///
    /// Passes on a panic of the stored function or of its future. The value can never be made after that: everybody who waits, and
    /// everybody who asks later, panics too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the stored future stays where it is, and is driven on by the next caller. While there is none it stands still.
    ///
    /// # Fairness
    ///
    /// If the caller that drives is dropped, the one that has waited the longest goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lazy, wait::block_on};
    ///
    /// let lazy = Lazy::new(|| async { "made once" });
    /// assert_eq!(block_on(lazy.force()), &"made once");
    /// ```
    #[track_caller]
    pub fn force(&self) -> Force<'_, T, F> {
        Force {
            lazy: self,
            turn: None,
            claim: Claim::new(&self.slot, Location::caller()),
        }
    }

    /// Returns the value, and blocks the calling thread until it is made. For threads: in a task it would block the worker.
    ///
    /// If the stored future waits for a reactor or for timers, somebody else has to drive those.
    ///
    /// # Panics
    ///
    /// As [`force`](Self::force).
    ///
    /// # Examples
    ///
    /// ```
    /// let lazy = lenio_sync::Lazy::new(|| async { 3 });
    /// assert_eq!(lazy.force_blocking(), &3);
    /// ```
    #[track_caller]
    pub fn force_blocking(&self) -> &T {
        block_on(self.force())
    }

    /// Takes the stored future out for one poll, and starts it if nobody has.
    fn take_out(&self) -> BoxedFuture<T> {
        let making = std::mem::replace(&mut *self.making.lock(), Making::Out);
        match making {
            Making::NotStarted(init) => Box::pin(init()),
            Making::Running(future) => future,
            Making::Out => panic!("the value of this lazy was not made: its future panicked"),
        }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("value", &self.get())
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Lazy::force`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Force<'l, T, F> {
        lazy: &'l Lazy<T, F>,
        turn: Option<Turn<'l, T>>,
        #[pin]
        claim: Claim<'l, T>,
    }
}

impl<'l, T, F, Fut> Future for Force<'l, T, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T> + Send + 'static,
{
    type Output = &'l T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'l T> {
        let this = self.project();
        // Kept here while foreign code runs: a panic in it ends the turn at once, and the next one finds nothing to drive.
        let turn = match this.turn.take() {
            Some(turn) => turn,
            None => match ready!(this.claim.poll(cx, "lazy value")) {
                Lot::Value(value) => return Poll::Ready(value),
                Lot::Turn(turn) => turn,
            },
        };
        let mut future = this.lazy.take_out();
        match future.as_mut().poll(cx) {
            Poll::Pending => {
                *this.lazy.making.lock() = Making::Running(future);
                *this.turn = Some(turn);
                Poll::Pending
            }
            Poll::Ready(value) => {
                drop(future);
                Poll::Ready(turn.finish(value))
            }
        }
    }
}

impl<T, F> fmt::Debug for Force<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Force")
            .field("drives", &self.turn.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use proptest::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Waker;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Ready at the last of some polls; counts how often it was started and polled.
    fn slow(
        polls: usize,
    ) -> (
        Lazy<u32, impl FnOnce() -> BoxedFuture<u32>>,
        Arc<[AtomicUsize; 2]>,
    ) {
        let seen = Arc::new([0; 2].map(AtomicUsize::new));
        let counts = seen.clone();
        let lazy = Lazy::new(move || -> BoxedFuture<u32> {
            counts[0].fetch_add(1, Relaxed);
            Box::pin(std::future::poll_fn(move |_| {
                if counts[1].fetch_add(1, Relaxed) + 1 == polls {
                    Poll::Ready(7)
                } else {
                    Poll::Pending
                }
            }))
        });
        (lazy, seen)
    }

    #[test]
    fn nothing_runs_before_it_is_asked_for() {
        let (lazy, seen) = slow(1);
        drop(lazy.force());
        assert_eq!(seen[0].load(Relaxed), 0);
        assert!(lazy.get().is_none() && !lazy.is_set());
        assert_eq!(lazy.into_inner(), None);
    }

    #[test]
    fn the_next_caller_goes_on_where_a_cancelled_one_stopped() {
        let (lazy, seen) = slow(3);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut first = Box::pin(lazy.force());
        let mut second = pin!(lazy.force());
        assert!(poll(first.as_mut()).is_pending());
        assert!(
            second
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(seen[1].load(Relaxed), 1, "one drives, the other waits");
        drop(first);
        assert_eq!(count.0.load(Relaxed), 1, "the next one was told to drive");
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(poll(second), Poll::Ready(&7));
        assert_eq!(seen[0].load(Relaxed), 1, "started once");
        assert_eq!(seen[1].load(Relaxed), 3);
    }

    #[test]
    fn after_a_panic_everybody_panics() {
        let lazy = Lazy::new(|| async {
            let mut is_second = false;
            let polled = std::future::poll_fn(move |_| -> Poll<()> {
                assert!(!std::mem::replace(&mut is_second, true), "in the future");
                Poll::Pending
            });
            polled.await;
        });
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut first = pin!(lazy.force());
        let mut second = pin!(lazy.force());
        let mut third = pin!(lazy.force());
        let mut cx = Context::from_waker(&waker);
        assert!(poll(first.as_mut()).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| poll(first))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| poll(second))).is_err());
        assert_eq!(count.0.load(Relaxed), 2, "each wakes the next");
        assert!(catch_unwind(AssertUnwindSafe(|| poll(third))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| lazy.force_blocking())).is_err());
        assert!(lazy.get().is_none());
    }

    #[test]
    fn a_function_that_panics_poisons_as_well() {
        let lazy = Lazy::new(|| -> std::future::Ready<u32> { panic!("in the function") });
        for _ in 0..2 {
            assert!(catch_unwind(AssertUnwindSafe(|| lazy.force_blocking())).is_err());
        }
        assert!(!lazy.is_set());
    }

    #[test]
    fn what_is_stored_is_dropped_with_it() {
        let held = Arc::new(());
        let inside = held.clone();
        let lazy = Lazy::new(|| async move {
            let _inside = inside;
            std::future::pending::<u32>().await
        });
        assert!(poll(pin!(lazy.force())).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(lazy);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    proptest! {
        /// Of all who are there exactly one drives; each of its polls is one poll of the stored future, whoever is cancelled.
        #[test]
        fn it_is_driven_by_one_at_a_time_until_it_is_ready(
            polls in 1..12usize,
            steps in prop::collection::vec((0..5usize, prop::bool::weighted(0.3)), 1..80),
        ) {
            let (lazy, seen) = slow(polls);
            let mut callers: [Option<Pin<Box<_>>>; 5] = [const { None }; 5];
            let (mut driver, mut expected) = (None, 0);
            for (id, is_cancelled) in steps {
                if is_cancelled {
                    callers[id] = None;
                    driver = driver.filter(|driver| *driver != id);
                    continue;
                }
                let caller = callers[id].get_or_insert_with(|| Box::pin(lazy.force()));
                if expected < polls && *driver.get_or_insert(id) == id {
                    expected += 1;
                }
                let got = poll(caller.as_mut());
                prop_assert_eq!(got.is_ready(), expected == polls);
                prop_assert_eq!(seen[1].load(Relaxed), expected);
                prop_assert_eq!(seen[0].load(Relaxed), 1);
                prop_assert_eq!(lazy.is_set(), expected == polls);
            }
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::thread;
    use std::sync::Arc;
    use std::task::Waker;

    #[test]
    fn loom_ci_a_cancelled_driver_is_followed_by_the_next() {
        loom::model(|| {
            let event = Arc::new(crate::Event::new());
            let inside = event.clone();
            let lazy = Arc::new(Lazy::new(|| async move {
                inside.wait().await;
                7
            }));
            let mut first = Box::pin(lazy.force());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut cx).is_pending());
            let other = lazy.clone();
            let t = thread::spawn(move || *other.force_blocking());
            event.set();
            drop(first);
            assert_eq!(t.join().unwrap(), 7);
        });
    }
}
