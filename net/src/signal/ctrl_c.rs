//! Ctrl-C.

use super::bell::Bell;
use super::kind::Signal;
use futures_core::Stream;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Starts to listen for Ctrl-C (`SIGINT`).
///
/// From this call on the signal no longer ends the process: whoever holds a [`CtrlC`] has taken over that duty. When the last one is
/// dropped, Ctrl-C ends the process again. So a program that wants a second Ctrl-C to end it at once drops its receiver after the
/// first, and then begins to clean up. For other signals, or several at once, there is [`receiver`](super::receiver).
///
/// If the process ignored the signal or had a handler of its own before, that remains in force beside this and after it; then
/// dropping the last receiver ends nothing. Code that installs its own handler with `sigaction` *after* this takes the signal away
/// from us.
///
/// # Errors
///
/// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or when no descriptor is left.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let mut ctrl_c = lenio_net::signal::ctrl_c()?;
/// ctrl_c.recv().await?;
/// drop(ctrl_c); // from here on a second Ctrl-C ends the process
/// println!("cleaning up");
/// # Ok(())
/// # }
/// ```
pub fn ctrl_c() -> io::Result<CtrlC> {
    let bell = Bell::hang(Signal::Interrupt)?;
    Ok(CtrlC { bell })
}

/// Hears every Ctrl-C from its making to its dropping; made by [`ctrl_c`].
///
/// Each receiver hears all of them, and counts them: two in quick succession are received twice, unless the system merged them.
/// Also a [`Stream`] that never ends.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::signal::CtrlC;
///
/// async fn twice(mut ctrl_c: CtrlC) -> std::io::Result<()> {
///     ctrl_c.recv().await?;
///     ctrl_c.recv().await
/// }
/// ```
pub struct CtrlC {
    bell: Bell,
}

impl CtrlC {
    /// Waits for the next Ctrl-C.
    ///
    /// # Errors
    ///
    /// [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// See [`ctrl_c`].
    pub async fn recv(&mut self) -> io::Result<()> {
        self.bell.heard().await
    }

    /// Polls for the next Ctrl-C.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut ctrl_c: lenio_net::signal::CtrlC) -> std::io::Result<()> {
    /// std::future::poll_fn(|cx| ctrl_c.poll_recv(cx)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bell.poll_heard(cx)
    }
}

impl Stream for CtrlC {
    type Item = io::Result<()>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for CtrlC {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CtrlC").finish_non_exhaustive()
    }
}
