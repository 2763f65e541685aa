//! The sending side of a channel.

use super::closing::Closed;
use super::permit::{Permit, Reserve, try_place};
use super::pipe::Pipe;
use super::push::{Manners, Pushed};
use super::send::Sending;
use crate::channel::error::{SendError, TrySendError};
use crate::wait::block_on;
use std::fmt;
use std::sync::Arc;

/// The sending side of a channel. Cloning it adds another sender; dropping the last one closes the channel.
///
/// Made by [`bounded`](super::bounded), [`unbounded`](super::unbounded) and [`rendezvous`](super::rendezvous).
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::bounded;
/// use lenio_sync::wait::block_on;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = bounded(8);
/// let other = sender.clone();
/// block_on(sender.send(1))?;
/// other.try_send(2)?;
/// drop((sender, other));
/// assert_eq!(Vec::from_iter(receiver.iter_blocking()), [1, 2]);
/// # Ok(())
/// # }
/// ```
pub struct Sender<T> {
    pipe: Arc<Pipe<T>>,
}

impl<T> Sender<T> {
    /// Takes over a sender that the pipe counts already.
    pub(super) fn counted(pipe: Arc<Pipe<T>>) -> Self {
        Self { pipe }
    }

    #[inline]
    pub(super) fn pipe(&self) -> &Arc<Pipe<T>> {
        &self.pipe
    }

    /// Sends `value`; waits while there is no room, or on a rendezvous channel until a receiver has taken it.
    ///
    /// Costs one lock if there is room, and the wake-up of a receiver if one waits. An unbounded channel always has room.
    ///
    /// # Errors
    ///
    /// If the channel is closed, also while it waits. The error holds the value.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready the value is dropped with it and nobody receives it; what it was woken for is passed
    /// on. To keep the value use [`reserve`](Self::reserve). On a rendezvous channel a receiver may have taken the value already, though
    /// the future has not been told so: then it is received.
    ///
    /// # Fairness
    ///
    /// Senders that wait are woken in the order in which they began to. A newcomer may take the place before the woken one is polled;
    /// that one then goes to the beginning of the list. After 16 such losses newcomers let the waiting senders go first, until one of
    /// them has been served: each newcomer steps back for at most 16 polls, and takes a place that is free even then, so that a sender
    /// that is woken but never polled blocks nobody. [`try_send`](Self::try_send) never steps back.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::bounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded(1);
    /// block_on(async {
    ///     sender.send("hello").await?;
    ///     assert_eq!(receiver.recv().await?, "hello");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, value: T) -> Sending<'_, T> {
        Sending::new(&self.pipe, value)
    }

    /// Sends `value` if there is room, or on a rendezvous channel if a receiver waits; never waits itself, and never steps back for senders
    /// that do.
    ///
    /// On a rendezvous channel each waiting receiver is good for one message. Should that receiver be dropped before it takes the
    /// message, the next receiver gets it.
    ///
    /// # Errors
    ///
    /// If there is no room, or if the channel is closed. The error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{TrySendError, bounded};
    ///
    /// let (sender, receiver) = bounded(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// # drop(receiver);
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        if self.pipe.push_at_once(&mut value) {
            return Ok(());
        }
        let pushed = if self.pipe.is_rendezvous() {
            self.pipe.try_meet(&mut value)
        } else {
            self.pipe.push(&mut value, Manners::Bold)
        };
        match (value, pushed) {
            (None, _) => Ok(()),
            (Some(value), Pushed::Closed) => Err(TrySendError::Closed(value)),
            (Some(value), _) => Err(TrySendError::Full(value)),
        }
    }

    /// Sends `value`, and blocks the calling thread while [`send`](Self::send) would wait. For threads: in a task it would block the
    /// worker.
    ///
    /// # Errors
    ///
    /// If the channel is closed. The error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::rendezvous();
    /// let thread = std::thread::spawn(move || sender.send_blocking(7));
    /// assert_eq!(receiver.recv_blocking(), Ok(7));
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        // Before a waker is made for the wait.
        self.pipe.push_at_once(&mut value);
        value.map_or(Ok(()), |value| block_on(self.send(value)))
    }

    /// Waits for a place and reserves it, so that a value can be sent into it later without waiting.
    ///
    /// Use it where making the value is expensive, or where the value must not be lost if the wait is cancelled. On a rendezvous
    /// channel, which has no places, it waits until a receiver waits and reserves that one.
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped; what it was woken for is passed on.
    ///
    /// # Fairness
    ///
    /// As for [`send`](Self::send): both wait in the same list.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::bounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded(1);
    /// let permit = block_on(sender.reserve())?;
    /// permit.send("made late")?;
    /// assert_eq!(receiver.recv_blocking()?, "made late");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve::new(&self.pipe)
    }

    /// Reserves a place if there is one; never waits.
    ///
    /// # Errors
    ///
    /// If there is no place, or if the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::bounded;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded::<u32>(1);
    /// let permit = sender.try_reserve()?;
    /// assert!(sender.try_reserve().is_err());
    /// drop(permit);
    /// assert!(sender.try_reserve().is_ok());
    /// # drop(receiver);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match try_place(&self.pipe) {
            Ok(claim) => Ok(Permit::new(&self.pipe, claim)),
            Err(Pushed::Closed) => Err(TrySendError::Closed(())),
            Err(_) => Err(TrySendError::Full(())),
        }
    }

    /// Makes a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert!(receiver.is_closed());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            pipe: self.pipe.clone(),
        }
    }

    /// Closes the channel for everybody: nothing is accepted any more. Returns whether it was open.
    ///
    /// Senders that wait get their values back. Receivers get what is in the channel, and then an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{RecvError, TrySendError, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert!(sender.close());
    /// assert!(!sender.close(), "it was closed already");
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    /// assert_eq!(receiver.recv_blocking(), Ok(1));
    /// assert_eq!(receiver.recv_blocking(), Err(RecvError));
    /// ```
    pub fn close(&self) -> bool {
        self.pipe.close()
    }

    /// Waits until the channel is closed: by [`close`](Self::close) of either side, or because the last receiver has gone.
    ///
    /// Use it to stop making values that nobody wants.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Fairness
    ///
    /// The close wakes everybody who waits for it, first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// drop(receiver);
    /// lenio_sync::wait::block_on(sender.closed());
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Closed::new(&self.pipe)
    }

    /// How many messages lie in the channel now. Those of senders that wait on a rendezvous channel do not count. Costs two locks.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::bounded(2);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.len(), 1);
    /// # drop(receiver);
    /// ```
    pub fn len(&self) -> usize {
        self.pipe.len()
    }

    /// Whether no message lies in the channel now. Costs two locks.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::bounded(2);
    /// assert!(sender.is_empty());
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert!(!sender.is_empty());
    /// # drop(receiver);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room now: all places hold messages, or belong to permits. A rendezvous channel is always full. Costs two
    /// locks.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::bounded(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert!(sender.is_full());
    /// # drop(receiver);
    /// ```
    pub fn is_full(&self) -> bool {
        self.pipe.is_full()
    }

    /// How many messages may lie in the channel; `None` if there is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::bounded::<u32>(2);
    /// assert_eq!(sender.capacity(), Some(2));
    /// # drop(receiver);
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.pipe.capacity()
    }

    /// Whether the channel is closed: by a call of `close`, or because one side has gone. Costs a lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::bounded::<u32>(2);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.pipe.is_closed()
    }

    /// How many senders there are. Weak ones do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// let other = sender.clone();
    /// assert_eq!(sender.sender_count(), 2);
    /// # drop((sender, other, receiver));
    /// ```
    pub fn sender_count(&self) -> usize {
        self.pipe.sender_count()
    }

    /// How many receivers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// let other = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// # drop((sender, other, receiver));
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.pipe.receiver_count()
    }

    /// Whether both belong to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// # drop(receiver);
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pipe, &other.pipe)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.pipe.add_sender();
        Self {
            pipe: self.pipe.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.pipe.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep its channel open. To send with it, [`upgrade`](Self::upgrade) it.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = lenio_sync::channel::unbounded();
/// let weak = sender.downgrade();
/// if let Some(sender) = weak.upgrade() {
///     assert_eq!(sender.try_send(1), Ok(()));
/// }
/// drop(sender);
/// assert_eq!(Vec::from_iter(receiver.iter_blocking()), [1]);
/// ```
pub struct WeakSender<T> {
    pipe: Arc<Pipe<T>>,
}

impl<T> WeakSender<T> {
    /// Makes a sender of it, if the channel has one still. A channel that has lost its last sender never gets one again.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded::<u32>();
    /// let weak = sender.downgrade();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// # drop(receiver);
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let is_added = self.pipe.try_add_sender();
        is_added.then(|| Sender::counted(self.pipe.clone()))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            pipe: self.pipe.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
