//! Signals that ask a process to end.

use super::bell::Bell;
use super::kind::Signal;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Starts to listen for signals.
///
/// From this call on they no longer end the process: whoever holds a [`Receiver`] has taken over that duty. When the last receiver of a
/// signal is dropped, the signal ends the process again. What [`ctrl_c`](super::ctrl_c) says about handlers of others holds here as
/// well.
///
/// # Errors
///
/// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or when no descriptor is left.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::signal::{Signal, receiver};
///
/// # async fn example() -> std::io::Result<()> {
/// let mut signals = receiver([Signal::Interrupt, Signal::Terminate])?;
/// let signal = signals.recv().await?;
/// drop(signals); // from here on either of them ends the process
/// println!("cleaning up because of {signal}");
/// # Ok(())
/// # }
/// ```
pub fn receiver(signals: impl IntoIterator<Item = Signal>) -> io::Result<Receiver> {
    let bells = signals.into_iter().map(Bell::hang);
    Ok(Receiver {
        bells: bells.collect::<io::Result<_>>()?,
    })
}

/// Hears signals from its making to its dropping; made by [`receiver`].
///
/// Each receiver hears all of them, and counts them: two in quick succession are received twice, unless the system merged them.
/// Also a [`Stream`] that never ends.
///
/// # Examples
///
/// See [`receiver`].
pub struct Receiver {
    bells: Vec<Bell>,
}

impl Receiver {
    /// Waits for the next signal. A receiver of no signals waits for ever.
    ///
    /// # Errors
    ///
    /// [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Fairness
    ///
    /// Of signals that are there at the same time the one that was named first to [`receiver`] is first.
    ///
    /// # Examples
    ///
    /// See [`receiver`].
    pub async fn recv(&mut self) -> io::Result<Signal> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next signal.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut signals: lenio_net::signal::Receiver) -> std::io::Result<()> {
    /// std::future::poll_fn(|cx| signals.poll_recv(cx)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        for bell in &mut self.bells {
            if let Poll::Ready(heard) = bell.poll_heard(cx) {
                return Poll::Ready(heard.map(|()| bell.signal()));
            }
        }
        Poll::Pending
    }
}

impl Stream for Receiver {
    type Item = io::Result<Signal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals = self.bells.iter().map(Bell::signal);
        f.debug_set().entries(signals).finish()
    }
}
