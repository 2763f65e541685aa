//! The end that sends.

use super::futures::Closed;
use super::receiver::Receiver;
use super::shared::{Current, Shared};
use super::snapshot::Snapshot;
use crate::channel::error::SendError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The end that sends values. Made by [`channel`](super::channel), and by cloning.
///
/// When the last sender is dropped, the receivers' waits end with an error once they have seen the last value.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = lenio_sync::channel::watch(1);
/// sender.send_modify(|value| *value += 1);
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// The caller has counted the sender.
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Makes `value` the current one and wakes all receivers that wait. Never waits.
    ///
    /// Costs an allocation, a short lock, and a wake-up for each receiver that waits. The old value is dropped after unlocking, by
    /// the last who has a snapshot of it.
    ///
    /// # Panics
    ///
    /// If a waker or the drop of the old value panics; the value has been sent by then, and all receivers have been woken.
    ///
    /// # Errors
    ///
    /// If there is no receiver; the value comes back, and the current one stays. See [`send_replace`](Self::send_replace).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// assert!(sender.send(2).is_ok());
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        // Allocated before the lock is taken, so that the lock is short.
        match self
            .shared
            .exchange(Arc::new(value), Current::has_receivers)
        {
            Ok(old) => {
                drop(old);
                Ok(())
            }
            Err(value) => {
                let value = Arc::into_inner(value);
                Err(SendError(value.expect("nobody else has it yet")))
            }
        }
    }

    /// As [`send`](Self::send), also if there is no receiver. Returns the value that was current before.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// drop(receiver);
    /// assert_eq!(*sender.send_replace(2), 1);
    /// assert_eq!(*sender.subscribe().borrow(), 2);
    /// ```
    pub fn send_replace(&self, value: T) -> Snapshot<T> {
        match self.shared.exchange(Arc::new(value), |_| true) {
            Ok(old) | Err(old) => Snapshot::new(old, false),
        }
    }

    /// Sends a changed copy of the current value, also if there is no receiver.
    ///
    /// `modify` works on a clone and without any lock: it may look at the channel, and while it works others may look and send.
    /// If another value was sent meanwhile, the clone is thrown away and `modify` is called again with that value; so no change is
    /// lost. (A `modify` that itself sends to this channel, each time it is called, is therefore called for ever.)
    ///
    /// # Panics
    ///
    /// If `modify` or the clone panics; then nothing is sent, and the channel works on.
    ///
    /// # Fairness
    ///
    /// Each repetition means that somebody else has sent. One that takes long, among many who send without a pause, may be repeated
    /// without limit.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(vec![1]);
    /// sender.send_modify(|numbers| numbers.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify(&self, mut modify: impl FnMut(&mut T))
    where
        T: Clone,
    {
        let _: bool = self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), if `modify` answers true; otherwise the changed clone is thrown away and nothing is sent.
    /// Returns what `modify` answered last.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// let raise_to = |least| sender.send_if_modified(|value: &mut i32| {
    ///     let is_less = *value < least;
    ///     *value = least;
    ///     is_less
    /// });
    /// assert!(raise_to(5));
    /// assert!(!raise_to(3));
    /// assert_eq!(*receiver.borrow(), 5);
    /// ```
    pub fn send_if_modified(&self, mut modify: impl FnMut(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        loop {
            let before = self.shared.look().value;
            let mut value = T::clone(&before);
            if !modify(&mut value) {
                return false;
            }
            let sent = self
                .shared
                .exchange(Arc::new(value), |current| current.is(&before));
            if sent.is_ok() {
                return true;
            }
        }
    }

    /// Takes a snapshot of the current value. Cost and meaning as for [`Receiver::borrow`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::watch(1);
    /// assert_eq!(*sender.borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Snapshot<T> {
        Snapshot::new(self.shared.look().value, false)
    }

    /// Makes another receiver. It counts the current value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// drop(receiver);
    /// let receiver = sender.subscribe();
    /// assert!(sender.send(2).is_ok(), "there is a receiver again");
    /// assert!(receiver.has_changed());
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.shared.add_receiver();
        Receiver::new(self.shared.clone(), seen)
    }

    /// How many receivers there are now.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// let _second = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are now.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::watch(1);
    /// let _second = sender.clone();
    /// assert_eq!(sender.sender_count(), 2);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Whether there is no receiver now. There may be one again: see [`subscribe`](Self::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// let _receiver = sender.subscribe();
    /// assert!(!sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.receivers() == 0
    }

    /// Waits until there is no receiver. Ready at once if there is none.
    ///
    /// A wait that began while there were receivers ends when the last of them goes, even if there is a new one before it is polled.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Fairness
    ///
    /// The drop of the last receiver wakes everybody who waits for it, first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::watch, wait::block_on};
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// let thread = std::thread::spawn(move || drop(receiver));
    /// block_on(sender.closed());
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Closed {
            shared: &self.shared,
            place: self.shared.place(),
            at: Location::caller(),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self::new(self.shared.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("receiver_count", &self.receiver_count())
            .finish_non_exhaustive()
    }
}
