//! A channel whose every value reaches every receiver: events, notifications, a log.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]; senders are cloned, receivers made by [`Sender::subscribe`]. Sending never waits:
//! a ring keeps the newest values, and a receiver that is too slow is told exactly how many it has missed. Where only the newest
//! value counts use [`watch`](mod@super::watch); where each value is for one receiver, or senders should wait for slow receivers, use
//! `bounded`.
//!
//! # When values are dropped
//!
//! A value leaves the channel as soon as the last receiver that it was sent to has seen it (that one gets the value itself, without a
//! clone) or has gone, and at the latest when it is overwritten. The ring is as large as the capacity and is allocated at once; each
//! place allocates room for its values when it is first used, and keeps it.
//!
//! # Which values
//!
//! Values are cloned by several receivers at the same time and without a lock, so that a slow clone hinders nobody. Therefore the ends
//! of a channel may go to other threads only if the values are `Sync`:
//!
//! ```compile_fail
//! fn goes_to_a_thread<T: Send>(_: T) {}
//! let (sender, receiver) = lenio_sync::channel::broadcast::<std::cell::Cell<u8>>(4);
//! goes_to_a_thread(receiver);
//! ```
//!
//! # Examples
//!
//! ```
//! use lenio_sync::{channel::broadcast, wait::block_on};
//!
//! let (sender, mut first) = broadcast::channel(16);
//! let mut second = sender.subscribe();
//! let thread = std::thread::spawn(move || sender.send("hello"));
//! assert_eq!(block_on(first.recv()), Ok("hello"));
//! assert_eq!(block_on(second.recv()), Ok("hello"));
//! # assert!(thread.join().is_ok());
//! ```

mod error;
mod futures;
mod receiver;
mod sender;
mod shared;
mod slot;

pub use super::error::SendError;
pub use error::{Lagged, RecvError, TryRecvError};
pub use futures::{Recv, Stream};
pub use receiver::Receiver;
pub use sender::{Sender, WeakSender};

use shared::Shared;
use std::sync::Arc;

/// Makes a channel that keeps the newest `capacity` values, rounded up to a power of two.
///
/// Costs two allocations, one of them for `capacity` places.
///
/// # Panics
///
/// If `capacity` is 0, or larger than the memory can be.
///
/// # Examples
///
/// ```
/// let (sender, mut receiver) = lenio_sync::channel::broadcast(16);
/// assert!(sender.send('a').is_ok());
/// assert_eq!(receiver.try_recv(), Ok('a'));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a broadcast channel has room for one value at least"
    );
    let capacity = capacity.checked_next_power_of_two();
    let shared = Shared::new(capacity.expect("the capacity is larger than the memory can be"));
    let shared = Arc::new(shared);
    let position = shared.tail();
    (Sender::new(shared.clone()), Receiver::new(shared, position))
}

#[cfg(all(test, lenio_loom))]
mod models;
#[cfg(all(test, not(lenio_loom)))]
mod tests;
