//! The end that looks.

use super::futures::{Changed, Stream, WaitFor};
use super::shared::{Shared, Version};
use super::snapshot::Snapshot;
use crate::channel::error::RecvError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The end that looks at the value and waits for changes. Made by [`channel`](super::channel), by cloning, and by
/// [`Sender::subscribe`](super::Sender::subscribe).
///
/// Each receiver remembers which value it has *seen*: the current one when it was made, and then what it was told of by
/// [`changed`](Self::changed), [`borrow_and_update`](Self::borrow_and_update), [`wait_for`](Self::wait_for) or
/// [`stream`](Self::stream). A clone has seen what the original has.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::watch, wait::block_on};
///
/// let (sender, mut receiver) = watch::channel(1);
/// assert!(sender.send(2).is_ok());
/// assert!(sender.send(3).is_ok());
/// assert!(block_on(receiver.changed()).is_ok());
/// assert_eq!(*receiver.borrow(), 3, "2 has been overtaken");
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: Version,
}

impl<T> Receiver<T> {
    /// The caller has counted the receiver.
    pub(super) fn new(shared: Arc<Shared<T>>, seen: Version) -> Self {
        Self { shared, seen }
    }

    /// Takes a snapshot of the current value. Does not count as having seen it.
    ///
    /// Costs a short lock and two changes of a reference count; it copies nothing. It never waits for anybody's use of the value, and
    /// nobody waits for the snapshot: it may be kept while the same task sends, and across an `.await`.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// let snapshot = receiver.borrow();
    /// assert!(sender.send(*snapshot + 1).is_ok());
    /// assert!(receiver.has_changed());
    /// ```
    pub fn borrow(&self) -> Snapshot<T> {
        let look = self.shared.look();
        Snapshot::new(look.value, look.version != self.seen)
    }

    /// As [`borrow`](Self::borrow), and counts the value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::watch(1);
    /// assert!(sender.send(2).is_ok());
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert!(!receiver.has_changed());
    /// ```
    pub fn borrow_and_update(&mut self) -> Snapshot<T> {
        let look = self.shared.look();
        let has_changed = look.version != self.seen;
        self.seen = look.version;
        Snapshot::new(look.value, has_changed)
    }

    /// Whether there is a value that this receiver has not seen. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// assert!(!receiver.has_changed());
    /// assert!(sender.send(1).is_ok());
    /// assert!(receiver.has_changed(), "an equal value is a new one");
    /// ```
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.shared.version() != self.seen
    }

    /// Whether all senders are gone, so that the current value is the last. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Counts the current value as not seen, so that the next wait for a change ends at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::watch, wait::block_on};
    ///
    /// let (_sender, mut receiver) = watch::channel(1);
    /// receiver.mark_changed();
    /// assert!(block_on(receiver.changed()).is_ok());
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().before();
    }

    /// Counts the current value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::watch(1);
    /// assert!(sender.send(2).is_ok());
    /// receiver.mark_unchanged();
    /// assert!(!receiver.has_changed());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Waits for a value that this receiver has not seen, and counts it as seen. Ready at once if there is one.
    ///
    /// Costs one load if there is one, else a lock.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value has been seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: a value counts as seen only when the future is ready.
    ///
    /// # Fairness
    ///
    /// A change wakes all who wait for it, in the order in which they began to.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::watch, wait::block_on};
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// let thread = std::thread::spawn(move || sender.send(2));
    /// assert!(block_on(receiver.changed()).is_ok());
    /// assert_eq!(*receiver.borrow(), 2);
    /// # assert!(thread.join().is_ok());
    /// ```
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T> {
        Changed {
            shared: &self.shared,
            seen: &mut self.seen,
            place: self.shared.place(),
            at: Location::caller(),
        }
    }

    /// Blocks the calling thread until there is a value that this receiver has not seen. For threads: in a task it would block the
    /// worker.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value has been seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::watch(1);
    /// let thread = std::thread::spawn(move || sender.send(2));
    /// assert!(receiver.changed_blocking().is_ok());
    /// # assert!(thread.join().is_ok());
    /// ```
    #[track_caller]
    pub fn changed_blocking(&mut self) -> Result<(), RecvError> {
        crate::wait::block_on(self.changed())
    }

    /// Waits for a value that `predicate` says yes to, beginning with the current one, seen or not.
    ///
    /// `predicate` is called without any lock. A value that was overtaken before this receiver looked is not asked about.
    ///
    /// # Panics
    ///
    /// If `predicate` panics; the value then counts as not asked about, and the channel works on.
    ///
    /// # Errors
    ///
    /// If all senders are gone, and the last value is not wanted either.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the values that `predicate` said no to count as seen. Nothing else is lost.
    ///
    /// # Fairness
    ///
    /// As for [`changed`](Self::changed): each change wakes every receiver once, first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::watch, wait::block_on};
    ///
    /// # fn main() -> Result<(), watch::RecvError> {
    /// let (sender, mut receiver) = watch::channel(1);
    /// let thread = std::thread::spawn(move || (2..9).all(|number| sender.send(number).is_ok()));
    /// let large = block_on(receiver.wait_for(|number| *number > 7))?;
    /// assert_eq!(*large, 8);
    /// # assert!(thread.join().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn wait_for<F: FnMut(&T) -> bool>(&mut self, predicate: F) -> WaitFor<'_, T, F> {
        WaitFor {
            shared: &self.shared,
            seen: &mut self.seen,
            predicate,
            has_news: true,
            place: self.shared.place(),
            at: Location::caller(),
        }
    }

    /// The values that this receiver has not seen, one clone after the other, until all senders are gone.
    ///
    /// Values that are overtaken before the stream is polled are left out. The clone is made without any lock.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the stream, or a future that waits for its next item, is dropped.
    ///
    /// # Fairness
    ///
    /// As for [`changed`](Self::changed): each change wakes every receiver once, first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_core::Stream;
    /// use lenio_sync::{channel::watch, wait::block_on};
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// assert!(sender.send(2).is_ok());
    /// drop(sender);
    /// let mut stream = pin!(receiver.stream());
    /// assert_eq!(block_on(poll_fn(|cx| stream.as_mut().poll_next(cx))), Some(2));
    /// assert_eq!(block_on(poll_fn(|cx| stream.as_mut().poll_next(cx))), None);
    /// ```
    #[track_caller]
    pub fn stream(&mut self) -> Stream<'_, T>
    where
        T: Clone,
    {
        Stream {
            shared: &self.shared,
            seen: &mut self.seen,
            place: self.shared.place(),
            at: Location::caller(),
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let _: Version = self.shared.add_receiver();
        Self::new(self.shared.clone(), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.remove_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("has_changed", &self.has_changed())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
