//! A channel that holds one value, the newest: a configuration, a state, a progress.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]; both can be cloned. Receivers look at the current value and wait for a new one;
//! a value that is overtaken before a receiver looks is not seen by it. Where every value must be seen use
//! [`broadcast`](mod@super::broadcast), for a mere flag an [`Event`](crate::Event).
//!
//! # What a look costs, and whom it hinders
//!
//! The value lies behind an `Arc` that is exchanged and never written to. A look is a [`Snapshot`]: it copies the `Arc` under a lock
//! that is held for a few instructions. So nobody who looks ever hinders anybody who sends: a task may keep a snapshot while it sends,
//! or across an `.await`, and a deadlock between a look and a send does not exist. The price: sending allocates,
//! [`send_modify`](Sender::send_modify) clones, and an old value lives as long as somebody keeps a snapshot of it.
//! Values have to be `Send` and `Sync` for a channel that is used by several threads.
//!
//! # Examples
//!
//! ```
//! use lenio_sync::{channel::watch, wait::block_on};
//!
//! let (sender, mut receiver) = watch::channel("starting");
//! let thread = std::thread::spawn(move || sender.send("ready"));
//! assert!(block_on(receiver.wait_for(|state| *state == "ready")).is_ok());
//! # assert!(thread.join().is_ok());
//! ```

mod futures;
mod receiver;
mod sender;
mod shared;
mod snapshot;

pub use super::error::{RecvError, SendError};
pub use futures::{Changed, Closed, Stream, WaitFor};
pub use receiver::Receiver;
pub use sender::Sender;
pub use snapshot::Snapshot;

use shared::Shared;
use std::sync::Arc;

/// Makes a channel that holds `initial`, which the receiver counts as seen.
///
/// Costs two allocations.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = lenio_sync::channel::watch(1);
/// assert_eq!((*sender.borrow(), *receiver.borrow()), (1, 1));
/// ```
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(initial));
    let seen = shared.version();
    (Sender::new(shared.clone()), Receiver::new(shared, seen))
}

#[cfg(all(test, lenio_loom))]
mod models;
#[cfg(all(test, not(lenio_loom)))]
mod tests;
