//! Channels: values on their way from one task to another, or from one thread to another.
//!
//! | each value goes to | and | there is |
//! |---|---|---|
//! | one of the receivers | a full channel makes senders wait | [`bounded`] |
//! | one of the receivers | sending never waits | [`unbounded`] |
//! | one of the receivers | sending waits until it was taken | [`rendezvous`] |
//! | the one receiver | it is the only one | [`oneshot()`] |
//! | every receiver | who is too slow is told how many it missed | [`broadcast()`] |
//! | every receiver | only the newest counts | [`watch()`] |
//!
//! The first three share the types [`Sender`] and [`Receiver`], both of which can be cloned; the others have a module each. Everything
//! that waits exists as a future and as a `_blocking` call. A channel closes from either side: values that are in it are still delivered,
//! and whoever waits on the other side is told. A send that fails gives its value back.
//!
//! # Examples
//!
//! ```
//! use lenio_sync::{channel, wait::block_on};
//!
//! let (sender, receiver) = channel::bounded(16);
//! let thread = std::thread::spawn(move || sender.send_blocking("hello"));
//! assert_eq!(block_on(receiver.recv()), Ok("hello"));
//! assert!(block_on(receiver.recv()).is_err(), "the last sender is gone");
//! # thread.join().ok();
//! ```

pub mod broadcast;
mod error;
mod mpmc;
pub mod oneshot;
pub mod watch;

pub use broadcast::channel as broadcast;
pub use error::{RecvError, SendError, TryRecvError, TrySendError};
pub use mpmc::{
    Closed, IntoStream, IterBlocking, Messages, OwnedPermit, Permit, Receiver, Recv, RecvMany,
    Reserve, ReserveOwned, Sender, Sending, WeakSender, bounded, rendezvous, unbounded,
};
pub use oneshot::channel as oneshot;
pub use watch::channel as watch;
