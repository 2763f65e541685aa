//! Asking work to finish: a tree of stop requests with a reason.
//!
//! A [`StopSource`] asks, a [`StopToken`] is asked. A stop is a request, no force: nobody's future is dropped and no thread is killed.
//! Whoever holds the token decides how to finish, and may still wait for its cleanup. A request is made once and stays: the first
//! reason wins.
//!
//! ```
//! use lenio_sync::stop::{StopKind, StopReason, StopSource, Stopped};
//! use lenio_sync::wait::block_on;
//!
//! let server = StopSource::new();
//! let connection = server.child();
//! let token = connection.token();
//! let work = token.run_until_stopped(std::future::pending::<()>());
//!
//! server.stop(StopReason::new(StopKind::Shutdown).with_message("going down"));
//! let stopped: Stopped = block_on(work).unwrap_err();
//! assert_eq!(stopped.to_string(), "going down");
//! assert_eq!(stopped.reason().kind(), StopKind::Shutdown);
//! ```
//!
//! # The tree
//!
//! `source.child()` and `token.child()` make a node below. A stop reaches all nodes below, none above and none beside. The order is
//! fixed: a node's flag and reason, its waiters in the order in which they came, its callbacks in the order of registration, then its
//! children in the order in which they were made, each with everything below it. So whoever sees a node stopped sees all nodes above
//! it stopped, if that is where the stop came from. A child of a stopped parent is born stopped, for the same reason.
//!
//! ```text
//!      handles: StopSource, StopToken, Callback          1 a handle keeps its node alive
//!            |1                                          2 a node keeps the one above it alive, but none below
//!            v          2                                3 a node knows those below, in the order in which they were made
//!          node  ---------------->  node above           4 a node that goes takes itself off the list above
//!            ^  <- - - - - - - - -   | 3, 4
//! ```
//!
//! A node lives as long as one of its handles or one of the nodes below. So a stop passes through a node that nobody holds any more,
//! and memory is bounded by the live handles times their depth. A line of work that goes on for ever makes its children from one node,
//! not each from the last.
//!
//! # Locks
//!
//! Each node has one short lock, around its reason, its lists and its two kinds of waiters. No thread ever holds two of them, so there
//! is no order in which to take them, and none is held while a waker, a callback or somebody's `Drop` runs: those may call everything
//! here.
//! - *Stop against a new child, waiter or callback:* each is listed under the lock that the stop sets the flag under, after a look at
//!   the reason. It is seen by the stop, or sees it.
//! - *Stop against a child that goes:* the list above holds weak references. Either the stop gets a strong one and is the last to hold
//!   the child for a moment, or there is nobody left to be stopped.
//! - *Stop against a callback that is taken back:* see [`Callback`].
//!
//! # Two stops at once
//!
//! Of two stops of one node the first one wins, and the other returns `false` at once, perhaps before the first has reached all nodes
//! below. A stop that meets a node that is stopped already leaves it to the one who stopped it, with everything below. When the call
//! that returns `true` is over, all nodes that were below at its beginning are stopped, save those which another thread is stopping at
//! this moment.

mod callback;
mod cascade;
mod node;
mod reason;
mod source;
mod token;
mod waits;

#[cfg(all(test, lenio_loom))]
mod models;
#[cfg(all(test, not(lenio_loom)))]
mod tree_model;

pub use callback::Callback;
pub use reason::{StopKind, StopReason, Stopped};
pub use source::{StopOnDrop, StopSource};
pub use token::StopToken;
pub use waits::{RunUntilStopped, StoppedFuture, StoppedOwned};
