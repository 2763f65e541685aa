//! The end that sends.

use super::receiver::Receiver;
use super::shared::Shared;
use crate::channel::error::SendError;
use std::fmt;
use std::sync::Arc;

/// The end that sends values to all receivers. Made by [`channel`](super::channel), and by cloning.
///
/// When the last sender is dropped, the channel is closed.
///
/// # Examples
///
/// ```
/// let (sender, mut receiver) = lenio_sync::channel::broadcast(4);
/// assert!(sender.send(1).is_ok());
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Ok(1), "what was sent is still received");
/// assert!(receiver.is_closed());
/// ```
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// The caller has counted the sender.
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Sends a value to all receivers that there are now. Never waits. Returns how many they are.
    ///
    /// A receiver may be dropped without taking the value, or be so slow that the value is overwritten.
    ///
    /// Costs a short lock of the channel and one of the value's place, and a wake-up for each receiver that waits. It allocates once for
    /// each place of the ring, and again where the value to be overwritten is being cloned by a receiver. The overwritten value, if
    /// a slow receiver has left one, is dropped after unlocking.
    ///
    /// # Panics
    ///
    /// If a waker or the drop of an overwritten value panics; the value has been sent by then, and all receivers have been woken.
    ///
    /// # Errors
    ///
    /// If there is no receiver or the channel is [closed](Self::close); the value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast(4);
    /// assert_eq!(sender.send(1).ok(), Some(1));
    /// drop(receiver);
    /// assert!(sender.send(2).is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value).map_err(SendError)
    }

    /// Makes another receiver, which will receive what is sent from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast(4);
    /// drop(receiver);
    /// let mut receiver = sender.subscribe();
    /// assert!(sender.send(1).is_ok());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let position = self.shared.add_receiver();
        Receiver::new(self.shared.clone(), position)
    }

    /// Closes the channel: nothing can be sent any more, and the receivers' waits end once they have seen everything.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::broadcast::{self, TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(4);
    /// assert!(sender.send(1).is_ok());
    /// sender.close();
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether the channel has been [closed](Self::close). Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// assert!(!sender.is_closed());
    /// sender.close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many values some receiver has still to see. Never more than the capacity.
    ///
    /// Costs a lock, and a short look at log2(capacity) places.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(sender.send(1).is_ok());
    /// assert!(sender.send(2).is_ok());
    /// assert_eq!(sender.len(), 2);
    /// assert!(receiver.try_recv().is_ok());
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.wanted()
    }

    /// Whether every receiver has seen everything.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(sender.is_empty());
    /// assert!(sender.send(1).is_ok());
    /// assert!(!sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the channel keeps: what was asked for, rounded up to a power of two.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast::<u8>(3);
    /// assert_eq!(sender.capacity(), 4);
    /// ```
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many receivers there are now.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// let _second = sender.subscribe();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are now. Weak ones do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// let _second = sender.clone();
    /// assert_eq!(sender.sender_count(), 2);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Makes a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// let weak = sender.downgrade();
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            shared: self.shared.clone(),
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
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep the channel open. Made by [`Sender::downgrade`].
///
/// It keeps the memory of the ring, but no value that nobody has to see.
///
/// # Examples
///
/// ```
/// let (sender, mut receiver) = lenio_sync::channel::broadcast(4);
/// let weak = sender.downgrade();
/// let sent = weak.upgrade().is_some_and(|sender| sender.send(1).is_ok());
/// assert!(sent);
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// Makes a sender again, unless the last one has been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.shared
            .revive_sender()
            .then(|| Sender::new(self.shared.clone()))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
