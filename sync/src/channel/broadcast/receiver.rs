//! The end that receives.

use super::error::{RecvError, TryRecvError};
use super::futures::{Recv, Stream};
use super::shared::{Next, Shared};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The end that receives every value sent since it was made. Made by [`channel`](super::channel),
/// [`Sender::subscribe`](super::Sender::subscribe) and [`resubscribe`](Self::resubscribe).
///
/// # Examples
///
/// ```
/// let (sender, mut first) = lenio_sync::channel::broadcast(4);
/// let mut second = sender.subscribe();
/// assert_eq!(sender.send("news").ok(), Some(2));
/// assert_eq!(first.recv_blocking(), Ok("news"));
/// assert_eq!(second.recv_blocking(), Ok("news"));
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Of the next value that it has to see.
    position: u64,
}

impl<T> Receiver<T> {
    /// The caller has counted the receiver.
    pub(super) fn new(shared: Arc<Shared<T>>, position: u64) -> Self {
        Self { shared, position }
    }

    /// Makes another receiver, which will receive what is sent from now on, and nothing that is there already.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(sender.send(1).is_ok());
    /// let mut other = receiver.resubscribe();
    /// assert!(sender.send(2).is_ok());
    /// assert_eq!(other.try_recv(), Ok(2));
    /// ```
    pub fn resubscribe(&self) -> Self {
        let position = self.shared.add_receiver();
        Self::new(self.shared.clone(), position)
    }

    /// How many values are there for this receiver. Overwritten ones do not count. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(sender.send(1).is_ok());
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        let behind = self.shared.tail().wrapping_sub(self.position);
        // No more than the capacity, which is a usize.
        behind.min(self.shared.capacity() as u64) as usize
    }

    /// Whether no value is there for this receiver. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(receiver.is_empty());
    /// assert!(sender.send(1).is_ok());
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing will be sent any more. Values may still be there. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::broadcast::<u8>(4);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value. Ready at once if it is there.
    ///
    /// The last receiver that sees a value gets the value itself, the others a clone of it. Cloning holds no lock: it hinders nobody.
    ///
    /// Costs a short lock of the value's place if a value is there, and else the lock of the channel. Allocates nothing.
    ///
    /// # Panics
    ///
    /// If the clone panics; the value then counts as received.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] with the exact number of values that were overwritten before this receiver looked; it goes on with the
    /// oldest that is there. [`RecvError::Closed`] if the channel is closed and this receiver has seen everything.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: a value counts as received only when the future is ready.
    ///
    /// # Fairness
    ///
    /// A value wakes all receivers that wait, in the order in which they began to.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::broadcast, wait::block_on};
    ///
    /// let (sender, mut receiver) = broadcast::channel(4);
    /// let thread = std::thread::spawn(move || sender.send(1));
    /// assert_eq!(block_on(receiver.recv()), Ok(1));
    /// assert_eq!(block_on(receiver.recv()), Err(broadcast::RecvError::Closed));
    /// # assert!(thread.join().is_ok());
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv {
            place: self.shared.place(),
            shared: &self.shared,
            position: &mut self.position,
            at: Location::caller(),
        }
    }

    /// Takes the next value if it is there. Never waits.
    ///
    /// # Panics
    ///
    /// If the clone panics; the value then counts as received.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`TryRecvError::Empty`] where that would wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::broadcast(4);
    /// assert!(receiver.try_recv().is_err());
    /// assert!(sender.send(1).is_ok());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.shared.next(&mut self.position) {
            Next::Value(taken) => Ok(taken.into_value()),
            Next::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Next::Closed => Err(TryRecvError::Closed),
            Next::Empty => Err(TryRecvError::Empty),
        }
    }

    /// Blocks the calling thread until the next value is there. For threads: in a task it would block the worker.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::broadcast(4);
    /// let thread = std::thread::spawn(move || sender.send(1));
    /// assert_eq!(receiver.recv_blocking(), Ok(1));
    /// # assert!(thread.join().is_ok());
    /// ```
    #[track_caller]
    pub fn recv_blocking(&mut self) -> Result<T, RecvError> {
        crate::wait::block_on(self.recv())
    }

    /// The values as a stream, until the channel is closed. Where values were overwritten it yields how many.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the stream, or a future that waits for its next item, is dropped.
    ///
    /// # Fairness
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_core::Stream;
    /// use lenio_sync::{channel::broadcast, wait::block_on};
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    ///
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// for number in 0..3 {
    ///     assert!(sender.send(number).is_ok());
    /// }
    /// drop(sender);
    /// let mut stream = pin!(receiver.stream());
    /// let mut next = || block_on(poll_fn(|cx| stream.as_mut().poll_next(cx)));
    /// assert_eq!(next(), Some(Err(broadcast::Lagged(1))));
    /// assert_eq!((next(), next(), next()), (Some(Ok(1)), Some(Ok(2)), None));
    /// ```
    #[track_caller]
    pub fn stream(&mut self) -> Stream<'_, T> {
        Stream {
            place: self.shared.place(),
            shared: &self.shared,
            position: &mut self.position,
            at: Location::caller(),
        }
    }
}

impl<T> Drop for Receiver<T> {
    /// Gives up the values that this receiver has not seen. Those that nobody else has to see are dropped; what their drop panics with
    /// ends here.
    fn drop(&mut self) {
        self.shared.remove_receiver(self.position);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
