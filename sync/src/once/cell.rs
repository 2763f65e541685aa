//! A cell that gets its value once.

use super::slot::{Claim, Lot, Refused, Slot, Turn, Watch};
use crate::wait::block_on;
use std::fmt;
use std::future::{Future, ready};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A cell that gets its value once, by [`set`](Self::set) or by the first of many who ask for it.
///
/// Use it for what is made at most once, at the first need, and perhaps by different callers in different ways: a connection, a parsed
/// configuration, a result to be shared. Where the way to make the value is known from the start use [`Lazy`](crate::Lazy), where it needs
/// no waiting std's `OnceLock`.
///
/// Reading costs one load once the value is there.
///
/// # Examples
///
/// ```
/// use lenio_sync::{OnceCell, wait::block_on};
///
/// let cell = OnceCell::new();
/// assert_eq!(cell.get(), None);
/// block_on(async {
///     assert_eq!(*cell.get_or_init(|| async { 42 }).await, 42);
///     assert_eq!(*cell.get_or_init(|| async { 7 }).await, 42);
/// });
/// assert_eq!(cell.get(), Some(&42));
/// ```
pub struct OnceCell<T> {
    slot: Slot<T>,
}

impl<T> OnceCell<T> {
    /// Makes a cell without a value.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = lenio_sync::OnceCell::<u32>::new();
    /// assert!(!cell.is_set());
    /// ```
    pub fn new() -> Self {
        Self {
            slot: Slot::new(None),
        }
    }

    /// Makes a cell that has its value already.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = lenio_sync::OnceCell::with_value(3);
    /// assert_eq!(cell.get(), Some(&3));
    /// ```
    pub fn with_value(value: T) -> Self {
        Self {
            slot: Slot::new(Some(value)),
        }
    }

    /// The value, if it is there. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = lenio_sync::OnceCell::new();
    /// assert_eq!(cell.get(), None);
    /// cell.set(3)?;
    /// assert_eq!(cell.get(), Some(&3));
    /// # Ok::<(), lenio_sync::once::SetError<i32>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.slot.get()
    }

    /// The value, to be changed. `&mut self` proves that nobody else is there.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = lenio_sync::OnceCell::with_value(3);
    /// if let Some(value) = cell.get_mut() {
    ///     *value += 1;
    /// }
    /// assert_eq!(cell.get(), Some(&4));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.slot.get_mut()
    }

    /// Whether the value is there. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(lenio_sync::OnceCell::with_value(3).is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Puts the value in and wakes all who wait for it.
    ///
    /// Never waits. Costs a lock, and a wake-up for each waiter after it.
    ///
    /// # Errors
    ///
    /// Gives the value back if the cell has one, or if a future is about to make one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{OnceCell, once::SetError};
    ///
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.set("first"), Ok(()));
    /// assert_eq!(cell.set("second"), Err(SetError::Occupied("second")));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        self.slot.set(value).map_err(|refused| match refused {
            Refused::Occupied(value) => SetError::Occupied(value),
            Refused::Taken(value) => SetError::Initializing(value),
        })
    }

    /// Takes the value out; the cell can get another one.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = lenio_sync::OnceCell::with_value(3);
    /// assert_eq!(cell.take(), Some(3));
    /// assert_eq!(cell.take(), None);
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.slot.take()
    }

    /// Gives the value back, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::OnceCell::with_value(3).into_inner(), Some(3));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.slot.into_inner()
    }

    /// Waits until the value is there. Never makes it.
    ///
    /// Costs one load if it is there; else a lock.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Fairness
    ///
    /// The value wakes everybody who waits for it, first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{OnceCell, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// let cell = Arc::new(OnceCell::new());
    /// let other = cell.clone();
    /// let thread = std::thread::spawn(move || other.set(3));
    /// assert_eq!(block_on(cell.wait()), &3);
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    #[inline]
    pub fn wait(&self) -> Wait<'_, T> {
        Wait {
            watch: Watch::new(&self.slot, Location::caller()),
        }
    }

    /// Blocks the calling thread until the value is there. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::OnceCell::with_value(3).wait_blocking(), &3);
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self) -> &T {
        block_on(self.wait())
    }

    /// Returns the value, and makes it if nobody has.
    ///
    /// Of several callers one runs its `init`, the others wait for that. If it is dropped or panics, the one that has waited the longest
    /// runs its own. An `init` that asks the same cell for its value waits for ever.
    ///
    /// The future that `init` returns is polled where this one is polled. Whoever starts it and then no longer polls it, without
    /// dropping it, keeps all others waiting.
    ///
    /// Costs one load if the value is there; else two locks beside what `init` costs.
    ///
    /// # Panics
    ///
    /// Passes on a panic of `init`, and leaves the cell as if it had not been called.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it makes the value, what `init` has done so far is dropped with it, and the next caller starts from
    /// the beginning. While it waits for another one nothing is lost but its place.
    ///
    /// # Fairness
    ///
    /// The turn to make the value goes to the one that has waited the longest, unless a new caller comes between the end of the last turn
    /// and the poll of the one that was woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{OnceCell, wait::block_on};
    ///
    /// let cell = OnceCell::new();
    /// let value = block_on(cell.get_or_init(|| async { "made once" }));
    /// assert_eq!(*value, "made once");
    /// ```
    #[track_caller]
    #[inline]
    pub fn get_or_init<F, Fut>(&self, init: F) -> GetOrInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        GetOrInit {
            make: Make::new(&self.slot, init, Location::caller()),
        }
    }

    /// As [`get_or_init`](Self::get_or_init), for an `init` that can fail.
    ///
    /// # Errors
    ///
    /// The error of `init`. The cell stays without a value, and the one that has waited the longest runs its own `init`.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{OnceCell, wait::block_on};
    ///
    /// let cell = OnceCell::new();
    /// block_on(async {
    ///     let failed = cell.get_or_try_init(|| async { "x".parse::<u8>() }).await;
    ///     assert!(failed.is_err());
    ///     assert_eq!(cell.get_or_try_init(|| async { "3".parse() }).await?, &3);
    ///     Ok::<(), std::num::ParseIntError>(())
    /// })?;
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    #[track_caller]
    #[inline]
    pub fn get_or_try_init<E, F, Fut>(&self, init: F) -> GetOrTryInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        GetOrTryInit {
            make: Make::new(&self.slot, init, Location::caller()),
        }
    }

    /// Returns the value, and makes it if nobody has; blocks the calling thread while another one does.
    ///
    /// For threads: in a task it would block the worker.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = lenio_sync::OnceCell::new();
    /// assert_eq!(cell.get_or_init_blocking(|| 3), &3);
    /// ```
    #[track_caller]
    pub fn get_or_init_blocking(&self, init: impl FnOnce() -> T) -> &T {
        block_on(self.get_or_init(|| ready(init())))
    }

    /// As [`get_or_init_blocking`](Self::get_or_init_blocking), for an `init` that can fail.
    ///
    /// # Errors
    ///
    /// The error of `init`; the cell stays without a value.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = lenio_sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init_blocking(|| "3".parse::<u8>())?, &3);
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    #[track_caller]
    pub fn get_or_try_init_blocking<E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        block_on(self.get_or_try_init(|| ready(init())))
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    /// Makes a cell with a clone of the value, if there is one. Nobody waits at the new cell.
    fn clone(&self) -> Self {
        Self {
            slot: Slot::new(self.get().cloned()),
        }
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self::with_value(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish_non_exhaustive()
    }
}

/// Why [`OnceCell::set`] gave the value back.
///
/// # Examples
///
/// ```
/// let cell = lenio_sync::OnceCell::with_value(1);
/// assert_eq!(cell.set(2).unwrap_err().into_value(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell has a value.
    Occupied(T),
    /// A future is about to make the value. It may yet fail: whoever needs the value asks with [`OnceCell::get_or_init`].
    Initializing(T),
}

impl<T> SetError<T> {
    /// The value that was not set.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::once::SetError;
    /// assert_eq!(SetError::Occupied(2).into_value(), 2);
    /// ```
    pub fn into_value(self) -> T {
        match self {
            Self::Occupied(value) | Self::Initializing(value) => value,
        }
    }
}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Occupied(_) => "Occupied",
            Self::Initializing(_) => "Initializing",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Occupied(_) => "the cell has a value",
            Self::Initializing(_) => "the value of the cell is being made",
        })
    }
}

impl<T> std::error::Error for SetError<T> {}

pin_project_lite::pin_project! {
    /// The future of [`OnceCell::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'c, T> {
        #[pin]
        watch: Watch<'c, T>,
    }
}

impl<'c, T> Future for Wait<'c, T> {
    type Output = &'c T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'c T> {
        self.project().watch.poll(cx)
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// Waits for the value or for the turn, and makes the value if it is the turn.
    ///
    /// The order of the fields matters: what the maker has done so far is dropped before the turn goes to the next.
    struct Make<'c, T, F, Fut> {
        #[pin]
        running: Option<Fut>,
        init: Option<F>,
        turn: Option<Turn<'c, T>>,
        #[pin]
        claim: Claim<'c, T>,
    }
}

/// What came out of a [`Make`].
enum Made<'c, T, O> {
    /// Somebody else's value.
    Value(&'c T),
    /// Our own output, and the turn that it ends.
    Output(Turn<'c, T>, O),
}

impl<'c, T, F, Fut> Make<'c, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    #[inline]
    fn new(slot: &'c Slot<T>, init: F, at: &'static Location<'static>) -> Self {
        Self {
            running: None,
            init: Some(init),
            turn: None,
            claim: Claim::new(slot, at),
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Made<'c, T, Fut::Output>> {
        let mut this = self.project();
        // Kept here while foreign code runs: a panic in it ends the turn at once, even if the future is kept.
        let turn = match this.turn.take() {
            Some(turn) => turn,
            None => match ready!(this.claim.poll(cx, "once cell")) {
                Lot::Value(value) => return Poll::Ready(Made::Value(value)),
                Lot::Turn(turn) => {
                    let init = this.init.take().expect("polled again after it was over");
                    this.running.set(Some(init()));
                    turn
                }
            },
        };
        let running = this.running.as_mut().as_pin_mut();
        match running.expect("set with the turn").poll(cx) {
            Poll::Pending => {
                *this.turn = Some(turn);
                Poll::Pending
            }
            Poll::Ready(output) => {
                this.running.set(None);
                Poll::Ready(Made::Output(turn, output))
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`OnceCell::get_or_init`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GetOrInit<'c, T, F, Fut> {
        #[pin]
        make: Make<'c, T, F, Fut>,
    }
}

impl<'c, T, F, Fut> Future for GetOrInit<'c, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'c T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'c T> {
        Poll::Ready(match ready!(self.project().make.poll(cx)) {
            Made::Value(value) => value,
            Made::Output(turn, value) => turn.finish(value),
        })
    }
}

impl<T, F, Fut> fmt::Debug for GetOrInit<'_, T, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrInit")
            .field("makes", &self.make.turn.is_some())
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`OnceCell::get_or_try_init`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GetOrTryInit<'c, T, F, Fut> {
        #[pin]
        make: Make<'c, T, F, Fut>,
    }
}

impl<'c, T, E, F, Fut> Future for GetOrTryInit<'c, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<&'c T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'c T, E>> {
        Poll::Ready(match ready!(self.project().make.poll(cx)) {
            Made::Value(value) => Ok(value),
            Made::Output(turn, Ok(value)) => Ok(turn.finish(value)),
            // The end of the turn without a value lets the next one try.
            Made::Output(_turn, Err(error)) => Err(error),
        })
    }
}

impl<T, F, Fut> fmt::Debug for GetOrTryInit<'_, T, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrTryInit")
            .field("makes", &self.make.turn.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::VecDeque;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Wake, Waker};

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Makes nothing until somebody puts a result in.
    #[derive(Clone, Default)]
    struct Gate(Rc<Cell<Option<Result<u32, ()>>>>);
    impl Future for Gate {
        type Output = Result<u32, ()>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            self.0.get().map_or(Poll::Pending, Poll::Ready)
        }
    }

    #[test]
    fn a_cancelled_init_is_replaced_by_the_next_one() {
        let cell = OnceCell::new();
        let mut first = Box::pin(cell.get_or_init(std::future::pending));
        let mut second = pin!(cell.get_or_init(|| ready(2)));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending(), "one at a time");
        drop(first);
        assert_eq!(poll(second), Poll::Ready(&2));
    }

    #[test]
    fn an_init_that_panics_ends_its_turn_even_if_the_future_is_kept() {
        let cell = OnceCell::new();
        let in_future = async { panic!("in the future") };
        let mut first = pin!(cell.get_or_init(|| in_future));
        let mut second = pin!(cell.get_or_init(|| -> std::future::Ready<u32> { panic!("early") }));
        let mut third = pin!(cell.get_or_init(|| ready(3)));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(first.as_mut()))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| poll(second.as_mut()))).is_err());
        assert_eq!(poll(third.as_mut()), Poll::Ready(&3));
        assert_eq!(poll(third), Poll::Ready(&3), "it stays ready");
    }

    #[test]
    fn what_an_init_has_done_is_dropped_before_the_next_one_begins() {
        struct Guard(Arc<AtomicUsize>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.store(1, Relaxed);
            }
        }
        struct AtWake {
            cell: Arc<OnceCell<u32>>,
            is_dropped: Arc<AtomicUsize>,
            was_right: AtomicUsize,
        }
        impl Wake for AtWake {
            fn wake(self: Arc<Self>) {
                let is_free = self.cell.set(7).is_ok();
                let is_dropped = self.is_dropped.load(Relaxed) == 1;
                self.was_right
                    .store(usize::from(is_free && is_dropped), Relaxed);
            }
        }
        let cell = Arc::new(OnceCell::new());
        let is_dropped = Arc::new(AtomicUsize::new(0));
        let guard = Guard(is_dropped.clone());
        let mut first = Box::pin(cell.get_or_init(|| async {
            let _guard = guard;
            std::future::pending().await
        }));
        assert!(poll(first.as_mut()).is_pending());
        let at_wake = Arc::new(AtWake {
            cell: cell.clone(),
            is_dropped,
            was_right: AtomicUsize::new(0),
        });
        let waker = Waker::from(at_wake.clone());
        let mut next = Box::pin(cell.get_or_init(|| ready(1)));
        let polled = next.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(first);
        assert_eq!(at_wake.was_right.load(Relaxed), 1);
    }

    #[test]
    fn a_cell_whose_value_was_taken_can_get_another() {
        let mut cell = OnceCell::new();
        assert_eq!(cell.get_or_init_blocking(|| 1), &1);
        assert_eq!(cell.take(), Some(1));
        assert_eq!(cell.set(2), Ok(()));
        assert_eq!(cell.take(), Some(2));
        assert_eq!(cell.get_or_init_blocking(|| 3), &3);
    }

    #[test]
    fn set_is_refused_during_an_init_and_after_it() {
        let cell = OnceCell::new();
        let gate = Gate::default();
        let mut making = pin!(cell.get_or_try_init(|| gate.clone()));
        assert!(poll(making.as_mut()).is_pending());
        assert_eq!(cell.set(1), Err(SetError::Initializing(1)));
        gate.0.set(Some(Ok(2)));
        assert_eq!(poll(making), Poll::Ready(Ok(&2)));
        assert_eq!(cell.set(3), Err(SetError::Occupied(3)));
    }

    #[test]
    fn a_set_ends_all_waits_and_their_inits_never_run() {
        let cell = OnceCell::new();
        let (mut waits, mut early) = (pin!(cell.wait()), pin!(cell.wait()));
        assert!(poll(waits.as_mut()).is_pending());
        cell.set(1).unwrap();
        assert_eq!(poll(waits), Poll::Ready(&1));
        assert_eq!(poll(early.as_mut()), Poll::Ready(&1));
        let mut never = pin!(cell.get_or_init(|| -> std::future::Ready<u32> { unreachable!() }));
        assert_eq!(poll(never.as_mut()), Poll::Ready(&1));
    }

    #[test]
    fn a_woken_waiter_that_is_dropped_passes_the_turn_on() {
        let cell = OnceCell::<u32>::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut first = Box::pin(cell.get_or_init(std::future::pending));
        let mut second = Box::pin(cell.get_or_init(|| ready(2)));
        let mut third = pin!(cell.get_or_init(|| ready(3)));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert!(
            third
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(first);
        assert_eq!(count.0.load(Relaxed), 0, "the second one was woken");
        drop(second);
        assert_eq!(count.0.load(Relaxed), 1);
        assert_eq!(poll(third), Poll::Ready(&3));
    }

    #[test]
    fn values_are_dropped_once() {
        let value = Arc::new(());
        let mut cell = OnceCell::from(value.clone());
        assert!(cell.set(value.clone()).is_err());
        let copy = cell.clone();
        assert_eq!(Arc::strong_count(&value), 3);
        drop(cell.take());
        assert!(!cell.is_set() && cell.get_mut().is_none());
        assert!(cell.set(value.clone()).is_ok());
        drop((cell, copy));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Make,
        Watch,
        Poll(usize),
        Drop(usize),
        Finish(usize, bool),
        Set,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            20 => Just(Step::Make),
            5 => Just(Step::Watch),
            50 => (0..8usize).prop_map(Step::Poll),
            20 => (0..8usize).prop_map(Step::Drop),
            5 => (0..8usize, prop::bool::weighted(0.2)).prop_map(|(id, is_ok)| Step::Finish(id, is_ok)),
            1 => Just(Step::Set),
        ];
        prop::collection::vec(step, 1..80)
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Place {
        Fresh,
        Waits,
        Woken,
        Makes,
        Done,
        Dropped,
    }

    #[derive(Default)]
    struct Model {
        value: Option<u32>,
        maker: Option<usize>,
        queue: VecDeque<usize>,
        readers: VecDeque<usize>,
        places: Vec<Place>,
        wakes: Vec<usize>,
    }

    impl Model {
        fn wake(&mut self, id: usize) {
            self.places[id] = Place::Woken;
            self.wakes[id] += 1;
        }

        fn set(&mut self, value: u32) {
            self.value = Some(value);
            self.maker = None;
            let queue = std::mem::take(&mut self.queue);
            for id in queue.into_iter().chain(std::mem::take(&mut self.readers)) {
                self.wake(id);
            }
        }

        fn wake_next(&mut self) {
            if let Some(id) = self.queue.pop_front() {
                self.wake(id);
            }
        }

        fn end_turn(&mut self) {
            self.maker = None;
            self.wake_next();
        }

        /// What a poll of one that would make the value answers, if the gate of its init says `gate`.
        fn poll(&mut self, id: usize, gate: Option<Result<u32, ()>>) -> Poll<Result<u32, ()>> {
            if self.places[id] != Place::Makes {
                if let Some(value) = self.value {
                    self.queue.retain(|other| *other != id);
                    self.places[id] = Place::Done;
                    return Poll::Ready(Ok(value));
                }
                if self.maker.is_some() {
                    match self.places[id] {
                        Place::Woken => self.queue.push_front(id),
                        Place::Fresh => self.queue.push_back(id),
                        _ => {}
                    }
                    self.places[id] = Place::Waits;
                    return Poll::Pending;
                }
                self.queue.retain(|other| *other != id);
                self.maker = Some(id);
                self.places[id] = Place::Makes;
            }
            match gate {
                None => return Poll::Pending,
                Some(Ok(value)) => self.set(value),
                Some(Err(())) => self.end_turn(),
            }
            self.places[id] = Place::Done;
            Poll::Ready(gate.expect("looked at"))
        }

        fn drop(&mut self, id: usize) {
            let place = std::mem::replace(&mut self.places[id], Place::Dropped);
            self.queue.retain(|other| *other != id);
            self.readers.retain(|other| *other != id);
            match place {
                Place::Makes => self.end_turn(),
                Place::Woken if self.maker.is_none() && self.value.is_none() => self.wake_next(),
                _ => {}
            }
        }
    }

    type Maker<'c> = Pin<Box<dyn Future<Output = Result<&'c u32, ()>> + 'c>>;

    proptest! {
        #[test]
        fn it_does_what_the_sequential_model_does(steps in steps()) {
            let cell = OnceCell::new();
            let mut model = Model::default();
            let mut makers: Vec<Option<Maker<'_>>> = Vec::new();
            let mut gates: Vec<Option<Gate>> = Vec::new();
            let mut counts: Vec<Arc<Count>> = Vec::new();
            for step in steps {
                match step {
                    Step::Make | Step::Watch => {
                        let gate = matches!(step, Step::Make).then(Gate::default);
                        makers.push(Some(match gate.clone() {
                            Some(gate) => Box::pin(cell.get_or_try_init(|| gate)),
                            None => Box::pin(async { Ok(cell.wait().await) }),
                        }));
                        gates.push(gate);
                        counts.push(Default::default());
                        model.places.push(Place::Fresh);
                        model.wakes.push(0);
                    }
                    Step::Poll(id) => {
                        let place = model.places.get(id).copied().unwrap_or(Place::Dropped);
                        if matches!(place, Place::Dropped | Place::Done) {
                            continue;
                        }
                        let expected = match (&gates[id], model.value) {
                            (Some(gate), _) => model.poll(id, gate.0.get()),
                            (None, Some(value)) => {
                                model.places[id] = Place::Done;
                                Poll::Ready(Ok(value))
                            }
                            (None, None) => {
                                if place == Place::Fresh {
                                    model.places[id] = Place::Waits;
                                    model.readers.push_back(id);
                                }
                                Poll::Pending
                            }
                        };
                        let waker = Waker::from(counts[id].clone());
                        let maker = makers[id].as_mut().expect("alive as in the model").as_mut();
                        let got = maker.poll(&mut Context::from_waker(&waker));
                        prop_assert_eq!(got.map_ok(|value| *value), expected);
                    }
                    Step::Drop(id) => {
                        if id < makers.len() && model.places[id] != Place::Dropped {
                            model.drop(id);
                            makers[id] = None;
                        }
                    }
                    Step::Finish(id, is_ok) => {
                        if let Some(Some(gate)) = gates.get(id) {
                            gate.0.set(Some(if is_ok { Ok(7) } else { Err(()) }));
                        }
                    }
                    Step::Set => {
                        let expected = match (model.value, model.maker) {
                            (Some(_), _) => Err(SetError::Occupied(9)),
                            (None, Some(_)) => Err(SetError::Initializing(9)),
                            (None, None) => {
                                model.set(9);
                                Ok(())
                            }
                        };
                        prop_assert_eq!(cell.set(9), expected);
                    }
                }
                prop_assert_eq!(cell.get().copied(), model.value);
                let wakes: Vec<_> = counts.iter().map(|count| count.0.load(Relaxed)).collect();
                prop_assert_eq!(&wakes, &model.wakes);
            }
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::atomic::{AtomicUsize, Ordering};
    use crate::primitive::thread;
    use std::future::pending;
    use std::sync::Arc;
    use std::task::Waker;

    #[test]
    fn loom_ci_a_cancelled_init_lets_the_second_caller_make_the_value() {
        loom::model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = cell.clone();
            let mut first = Box::pin(cell.get_or_init(pending));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut cx).is_pending());
            let t = thread::spawn(move || *other.get_or_init_blocking(|| 2));
            drop(first);
            assert_eq!(t.join().unwrap(), 2);
        });
    }

    #[test]
    fn loom_ci_a_woken_caller_that_goes_passes_the_turn_on() {
        loom::model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = cell.clone();
            let mut cx = Context::from_waker(Waker::noop());
            let mut first = Box::pin(cell.get_or_init(pending));
            let mut second = Box::pin(cell.get_or_init(pending));
            assert!(first.as_mut().poll(&mut cx).is_pending());
            assert!(second.as_mut().poll(&mut cx).is_pending());
            let t = thread::spawn(move || *other.get_or_init_blocking(|| 3));
            drop(first);
            drop(second);
            assert_eq!(t.join().unwrap(), 3);
        });
    }

    #[test]
    fn loom_ci_of_two_callers_one_makes_the_value_and_both_see_it() {
        loom::model(|| {
            let cell = Arc::new(OnceCell::new());
            let runs = Arc::new(AtomicUsize::new(0));
            let spawn = |value: usize| {
                let (cell, runs) = (cell.clone(), runs.clone());
                thread::spawn(move || {
                    *cell.get_or_init_blocking(|| {
                        // ORDERING: Relaxed: a count that is read after the threads have ended.
                        runs.fetch_add(1, Ordering::Relaxed);
                        value
                    })
                })
            };
            let [a, b] = [1, 2].map(spawn).map(|thread| thread.join().unwrap());
            assert_eq!(a, b);
            // ORDERING: as above.
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn loom_ci_a_set_wakes_whoever_waits() {
        loom::model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = cell.clone();
            let t = thread::spawn(move || *other.wait_blocking());
            cell.set(5).unwrap();
            assert_eq!(t.join().unwrap(), 5);
        });
    }

    #[test]
    fn loom_ci_a_set_and_an_init_at_once_make_one_value() {
        loom::model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = cell.clone();
            let t = thread::spawn(move || *other.get_or_init_blocking(|| 1));
            let result = cell.set(2);
            let made = t.join().unwrap();
            assert_eq!(cell.get(), Some(&made));
            assert_eq!(made, if result.is_ok() { 2 } else { 1 });
        });
    }
}
