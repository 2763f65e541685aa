//! A place in a channel that is taken before there is a value for it.

use super::offers::Id;
use super::pipe::{Pipe, ReceiverWaiter, SenderWaiter};
use super::push::{Manners, Place, Pushed, reserve};
use crate::budget;
use crate::channel::error::SendError;
use crate::wait::{Stage, Waiter, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A place in a channel that belongs to its holder, made by [`Sender::reserve`](super::Sender::reserve) and
/// [`Sender::try_reserve`](super::Sender::try_reserve).
///
/// Dropping it gives the place back and wakes the sender that waits the longest.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::bounded;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = bounded(1);
/// let permit = sender.try_reserve()?;
/// assert!(sender.is_full());
/// permit.send("value")?;
/// assert_eq!(receiver.recv_blocking()?, "value");
/// # Ok(())
/// # }
/// ```
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'s, T> {
    pipe: &'s Pipe<T>,
    claim: Id,
}

impl<'s, T> Permit<'s, T> {
    pub(super) fn new(pipe: &'s Pipe<T>, claim: Id) -> Self {
        Self { pipe, claim }
    }

    /// Sends `value`, without ever waiting: the place is there.
    ///
    /// # Errors
    ///
    /// If the channel has been closed since; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::{SendError, bounded};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded(1);
    /// let permit = sender.try_reserve()?;
    /// drop(receiver);
    /// assert_eq!(permit.send(7), Err(SendError(7)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let (pipe, claim) = self.into_parts();
        fill(pipe, claim, value)
    }

    /// Takes the place out of the permit: the caller has to [`fill`] it or to [`give_back`].
    pub(super) fn into_parts(self) -> (&'s Pipe<T>, Id) {
        let parts = (self.pipe, self.claim);
        std::mem::forget(self);
        parts
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        give_back(self.pipe, self.claim);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Puts a value into a place that was reserved.
pub(super) fn fill<T>(pipe: &Pipe<T>, claim: Id, value: T) -> Result<(), SendError<T>> {
    let mut value = Some(value);
    let was_open = if pipe.is_rendezvous() {
        pipe.end_claim(claim, &mut value)
    } else {
        pipe.fill_place(&mut value)
    };
    match value {
        Some(value) if !was_open => Err(SendError(value)),
        _ => Ok(()),
    }
}

/// Gives back a place that was reserved.
pub(super) fn give_back<T>(pipe: &Pipe<T>, claim: Id) {
    if pipe.is_rendezvous() {
        pipe.end_claim(claim, &mut None);
    } else {
        pipe.give_place_back();
    }
}

/// Reserves a place if there is one: says which claim it is, in a rendezvous channel.
pub(super) fn try_place<T>(pipe: &Pipe<T>) -> Result<Id, Pushed> {
    if pipe.is_rendezvous() {
        return pipe.try_claim();
    }
    match pipe.take_place(Manners::Bold) {
        Pushed::Done => Ok(0),
        refused => Err(refused),
    }
}

pin_project_lite::pin_project! {
    /// A wait for a place. Private to the module: [`Reserve`](super::Reserve) and the owned one make permits of it.
    pub(super) struct PlaceWait<'p, T> {
        pipe: &'p Pipe<T>,
        #[pin]
        waiter: SenderWaiter<'p, T>,
        // Waits for a receiver, in a rendezvous channel.
        #[pin]
        claimer: ReceiverWaiter<'p, T>,
        courtesy: u8,
        at: &'static Location<'static>,
    }

    impl<T> PinnedDrop for PlaceWait<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.pipe.abandon_place(this.waiter);
            this.pipe.abandon_claim(this.claimer);
        }
    }
}

impl<'p, T> PlaceWait<'p, T> {
    #[track_caller]
    pub(super) fn new(pipe: &'p Pipe<T>) -> Self {
        Self {
            pipe,
            waiter: Waiter::new(pipe.front()),
            claimer: Waiter::new(pipe.back()),
            courtesy: 0,
            at: Location::caller(),
        }
    }
}

impl<T> Future for PlaceWait<'_, T> {
    type Output = Result<Id, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let pipe = *this.pipe;
        if pipe.is_rendezvous() {
            let claimed = pipe.poll_claim(this.claimer, cx);
            if claimed.is_pending() {
                budget::refund();
                note("channel: a receiver to reserve", this.at);
            }
            return claimed.map(|claim| claim.ok_or(SendError(())));
        }
        if this.waiter.stage() == Stage::Fresh {
            match pipe.take_place(Manners::Polite) {
                Pushed::Done => return Poll::Ready(Ok(0)),
                Pushed::Closed => return Poll::Ready(Err(SendError(()))),
                Pushed::Full => {}
            }
        }
        match pipe.poll_place(this.waiter, cx, this.courtesy, reserve) {
            Poll::Ready(Place::Taken(())) => Poll::Ready(Ok(0)),
            Poll::Ready(Place::Closed) => Poll::Ready(Err(SendError(()))),
            Poll::Ready(Place::AfterThem) => {
                cx.waker().wake_by_ref();
                note("channel: its turn to send", this.at);
                Poll::Pending
            }
            Poll::Pending => {
                budget::refund();
                note("channel: room to reserve", this.at);
                Poll::Pending
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::reserve`](super::Sender::reserve).
    #[must_use = "futures do nothing unless polled"]
    pub struct Reserve<'s, T> {
        #[pin]
        wait: PlaceWait<'s, T>,
    }
}

impl<'s, T> Reserve<'s, T> {
    #[track_caller]
    pub(super) fn new(pipe: &'s Pipe<T>) -> Self {
        Self {
            wait: PlaceWait::new(pipe),
        }
    }
}

impl<'s, T> Future for Reserve<'s, T> {
    type Output = Result<Permit<'s, T>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut wait = self.project().wait;
        let pipe = wait.pipe;
        wait.as_mut()
            .poll(cx)
            .map_ok(|claim| Permit::new(pipe, claim))
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}
