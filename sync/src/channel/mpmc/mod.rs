//! Channels whose every message goes to one receiver: bounded, unbounded and rendezvous.
//!
//! # How it works
//!
//! ```text
//!   senders                                                                                receivers
//!      |  1 push                                                                2 pop          |
//!      v                                                                                       v
//!  [ back: buffer, room, reserved, closed ]  -- 3 refill: exchange the buffers -->  [ front: buffer, losses ]
//!    lists: waiting receivers, ...               (both locks, front first)            list: waiting senders
//!      ^                                                                                       ^
//!      +--- 4 a receiver enlists, under the back's lock        5 a sender enlists, under both locks ---+
//! ```
//!
//! There are two buffers, each with a lock of its own, on cache lines of its own. A sender puts its message into the back (1); a receiver
//! takes one from the front (2). A receiver that finds the front empty takes the back's lock as well and exchanges the two buffers (3),
//! so the two sides meet once per batch and not once per message. All messages in front are older than all in the back, so the order is
//! kept. Both locks are taken in the order *front, back*.
//!
//! **No fence, no missed wake-up.** Whoever would have to wake somebody finds him under the lock that it holds anyway: receivers wait in
//! a list of the back, where messages come in; senders wait in the list of the front, where places become free. What remains is that the
//! one who enlists must see both buffers:
//!
//! - *A receiver* (4) looks into the back under its lock, and knows of the front by a count that grows only while both locks are held,
//!   in (3). So under the back's lock a count of zero is the truth and stays the truth. It cannot simply hold the front's lock on top:
//!   its waker is cloned in between, which is foreign code.
//! - *A sender* (5) holds both locks, and counts exactly.
//! - *Places by credit.* `room` says how many places are certainly free, so that a sender reads the front's count only when the credit is
//!   used up; receivers only ever make more room, and an exchange changes nothing in the sum. A closed channel has no room, nor has one
//!   in which a waiting sender is due: one comparison finds all three.
//!
//! **Who wakes whom.** A message wakes one waiting receiver, a place that becomes free one waiting sender. While anybody stands in a
//! list there are at least as many woken ones that have not looked yet as there are messages (or free places): one enlists only when
//! there is none, each further one wakes one more, and whoever is dropped after it was woken passes that on.
//!
//! **Rendezvous.** A channel without places keeps its buffers empty. A sender lays its message on a table under the front's lock and
//! enlists with it; a receiver takes the first offer and wakes the first sender, which is its owner, because list and table are in the
//! same order. [`Sender::try_send`] and permits are accepted if a receiver waits, and use that receiver up. A permit is a promise to its
//! sender and keeps nobody: if a message comes and only receivers that are claimed wait, those are woken for it.
//!
//! **Memory.** Buffers start empty and grow with what is in them. One of more than 64 KiB is given back when it has run empty and is
//! more than eight times as big as what is to come.
//!
//! # What was measured
//!
//! The rows `ch_*` in `benches/` hold the figures. What decided the design was measured side by side in one process, one producer and one
//! consumer on one thread (tokio's current-thread runtime, capacity 1024, best of seven rounds; what other machines show will differ,
//! the order should not): 6.4 ns for a message; 9.6 ns with std's mutex in place of the short lock; 7.8 ns for a channel that keeps
//! both sides behind one lock. The fast paths contain no call, so that they save no registers; that alone took a fifth off.
//!
//! Not measured, because it cannot be less: a ring of slots with sequence numbers. It needs as many exchanges as there are locks here,
//! a fence for each message so that nobody sleeps who should not, and all its memory at the start.

mod closing;
mod meet;
#[cfg(all(test, lenio_loom))]
mod models;
mod offers;
mod owned;
mod permit;
mod pipe;
mod pop;
mod push;
mod receiver;
mod recv;
mod send;
mod sender;
mod stream;
#[cfg(all(test, not(lenio_loom)))]
mod tests;

pub use closing::Closed;
pub use owned::{IntoStream, OwnedPermit, ReserveOwned};
pub use permit::{Permit, Reserve};
pub use receiver::{IterBlocking, Receiver};
pub use recv::{Recv, RecvMany};
pub use send::Sending;
pub use sender::{Sender, WeakSender};
pub use stream::Messages;

use pipe::Pipe;
use std::sync::Arc;

/// Makes a channel that holds up to `capacity` messages; with a capacity of zero it is a [`rendezvous`] channel.
///
/// Use it wherever senders may be faster than receivers: who sends to a full channel waits. The memory grows with the messages that are
/// in it, not with the capacity.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{TrySendError, bounded};
///
/// let (sender, receiver) = bounded(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(receiver.recv_blocking(), Ok(1));
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(Some(capacity))
}

/// Makes a channel that holds any number of messages: sending never waits.
///
/// Use it where something else bounds the number of messages. Where nothing does, senders that are faster than the receivers use up the
/// memory: see [`bounded`].
///
/// # Examples
///
/// ```
/// let (sender, receiver) = lenio_sync::channel::unbounded();
/// for number in 0..1_000 {
///     assert_eq!(sender.try_send(number), Ok(()));
/// }
/// assert_eq!(receiver.len(), 1_000);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    pair(None)
}

/// Makes a channel that holds nothing: a send waits until a receiver has taken the message.
///
/// Use it where the sender has to know that the message was taken. It costs two task switches for each message; a [`bounded`] channel
/// amortises them.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{TrySendError, rendezvous};
///
/// let (sender, receiver) = rendezvous();
/// assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)), "nobody receives");
/// let thread = std::thread::spawn(move || sender.send_blocking(2));
/// assert_eq!(receiver.recv_blocking(), Ok(2));
/// # thread.join().ok();
/// ```
pub fn rendezvous<T>() -> (Sender<T>, Receiver<T>) {
    pair(Some(0))
}

fn pair<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let pipe = Arc::new(Pipe::new(capacity));
    (Sender::counted(pipe.clone()), Receiver::counted(pipe))
}
