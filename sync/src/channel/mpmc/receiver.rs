//! The receiving side of a channel.

use super::closing::Closed;
use super::pipe::Pipe;
use super::recv::{Recv, RecvMany};
use crate::channel::error::{RecvError, TryRecvError};
use crate::wait::block_on;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

/// The receiving side of a channel. Cloning it adds another receiver: each message goes to one of them. Dropping the last one closes the
/// channel and drops what is in it.
///
/// Made by [`bounded`](super::bounded), [`unbounded`](super::unbounded) and [`rendezvous`](super::rendezvous).
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::unbounded;
/// use lenio_sync::wait::block_on;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = unbounded();
/// sender.try_send(1)?;
/// sender.try_send(2)?;
/// drop(sender);
/// block_on(async {
///     let mut sum = 0;
///     while let Ok(message) = receiver.recv().await {
///         sum += message;
///     }
///     assert_eq!(sum, 3);
/// });
/// # Ok(())
/// # }
/// ```
pub struct Receiver<T> {
    pipe: Arc<Pipe<T>>,
}

impl<T> Receiver<T> {
    /// Takes over a receiver that the pipe counts already.
    pub(super) fn counted(pipe: Arc<Pipe<T>>) -> Self {
        Self { pipe }
    }

    #[inline]
    pub(super) fn pipe(&self) -> &Arc<Pipe<T>> {
        &self.pipe
    }

    /// Receives the oldest message; waits while there is none.
    ///
    /// Costs one lock if there is a message, two for the first of each batch that the senders have prepared, and the wake-up of a sender
    /// if one waits for the place.
    ///
    /// # Errors
    ///
    /// If the channel is closed, and everything that was in it has been received.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped: it takes one only when it is ready. What it was woken for is passed on to the next
    /// receiver.
    ///
    /// # Fairness
    ///
    /// Receivers that wait are woken in the order in which they began to, one for each message. A newcomer, or one of the woken that is
    /// polled earlier, may take the message before; whoever was woken and finds nothing goes to the beginning of the list. There is no
    /// bound on how often that may happen: a receiver that gets none has lost to others that work.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::unbounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// let (sender, receiver) = unbounded();
    /// let thread = std::thread::spawn(move || sender.try_send(7));
    /// assert_eq!(block_on(receiver.recv()), Ok(7));
    /// # thread.join().ok();
    /// ```
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(&self.pipe)
    }

    /// Receives the oldest message if there is one; never waits.
    ///
    /// # Errors
    ///
    /// If there is no message now, or, once the channel is closed, no message any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{TryRecvError, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.pipe.pop_at_once() {
            Some(message) => Ok(message),
            None => self.pipe.pop(),
        }
    }

    /// Receives the oldest message, and blocks the calling thread while there is none. For threads: in a task it would block the worker.
    ///
    /// # Errors
    ///
    /// If the channel is closed, and everything that was in it has been received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded();
    /// let thread = std::thread::spawn(move || sender.try_send(7));
    /// assert_eq!(receiver.recv_blocking(), Ok(7));
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    pub fn recv_blocking(&self) -> Result<T, RecvError> {
        // Before a waker is made for the wait.
        match self.pipe.pop_at_once() {
            Some(message) => Ok(message),
            None => block_on(self.recv()),
        }
    }

    /// Receives up to `limit` messages at once and appends them to `messages`; waits while there is none. Returns how many they are.
    ///
    /// Zero means that `limit` is zero, or that the channel is closed and everything has been received. It takes what is there and does
    /// not wait for more. Costs one lock for up to 64 messages; they count as one operation of the task's budget.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped: `messages` is only touched when it is ready.
    ///
    /// # Panics
    ///
    /// If `messages` cannot grow. Then the messages that it holds stay in it, and the others stay in the channel.
    ///
    /// # Fairness
    ///
    /// As for [`recv`](Self::recv): it waits as one receiver, whatever its limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::unbounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = unbounded();
    /// for number in 0..5 {
    ///     sender.try_send(number)?;
    /// }
    /// let mut messages = Vec::new();
    /// assert_eq!(block_on(receiver.recv_many(&mut messages, 3)), 3);
    /// assert_eq!(block_on(receiver.recv_many(&mut messages, 3)), 2);
    /// assert_eq!(messages, [0, 1, 2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn recv_many<'r>(&'r self, messages: &'r mut Vec<T>, limit: usize) -> RecvMany<'r, T> {
        RecvMany::new(&self.pipe, messages, limit)
    }

    /// Receives up to `limit` messages at once, if there are any, and appends them to `messages`; never waits. Returns how many they are.
    ///
    /// # Errors
    ///
    /// If `limit` is not zero and there is no message now, or, once the channel is closed, no message any more.
    ///
    /// # Panics
    ///
    /// As [`recv_many`](Self::recv_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{TryRecvError, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut messages = Vec::new();
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(receiver.try_recv_many(&mut messages, 10), Ok(1));
    /// assert_eq!(receiver.try_recv_many(&mut messages, 10), Err(TryRecvError::Empty));
    /// ```
    pub fn try_recv_many(
        &self,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Result<usize, TryRecvError> {
        self.pipe.pop_many(messages, limit)
    }

    /// Receives message after message until the channel is closed and empty, and blocks the calling thread while there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::unbounded();
    /// let thread = std::thread::spawn(move || (0..3).try_for_each(|number| sender.try_send(number)));
    /// assert_eq!(Vec::from_iter(receiver.iter_blocking()), [0, 1, 2]);
    /// # thread.join().ok();
    /// ```
    pub fn iter_blocking(&self) -> IterBlocking<'_, T> {
        IterBlocking { receiver: self }
    }

    /// Closes the channel for everybody: nothing is accepted any more. Returns whether it was open.
    ///
    /// Senders that wait get their values back. Receivers get what is in the channel, and then an error: so a receiver may close, take
    /// what is left, and know that nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{TryRecvError, TrySendError, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert!(receiver.close());
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn close(&self) -> bool {
        self.pipe.close()
    }

    /// Waits until the channel is closed: by [`close`](Self::close) of either side, or because the last sender has gone. There may be
    /// messages in it still.
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
    /// drop(sender);
    /// lenio_sync::wait::block_on(receiver.closed());
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
    /// assert_eq!(receiver.len(), 1);
    /// # drop(sender);
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
    /// assert!(receiver.is_empty());
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert!(!receiver.is_empty());
    /// # drop(sender);
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
    /// assert!(receiver.is_full());
    /// # drop(sender);
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
    /// assert_eq!(receiver.capacity(), Some(2));
    /// # drop(sender);
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
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
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
    /// assert_eq!(receiver.sender_count(), 2);
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
    /// assert_eq!(receiver.receiver_count(), 2);
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
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// # drop(sender);
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pipe, &other.pipe)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.pipe.add_receiver();
        Self {
            pipe: self.pipe.clone(),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.pipe.remove_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The iterator of [`Receiver::iter_blocking`].
#[must_use = "iterators do nothing unless consumed"]
pub struct IterBlocking<'r, T> {
    receiver: &'r Receiver<T>,
}

impl<T> Iterator for IterBlocking<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv_blocking().ok()
    }
}

impl<T> FusedIterator for IterBlocking<'_, T> {}

impl<T> fmt::Debug for IterBlocking<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterBlocking").finish_non_exhaustive()
    }
}
