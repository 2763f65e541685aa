//! The task cell: one allocation that holds a future, then its outcome, and everything the runtime must know about it.
//!
//! The task knows no scheduler. An [`Owner`] stands between them: it lists the tasks that were spawned through it, so that shutdown
//! and dumps find every one that lives, and it knows the function that takes a [`Runnable`] and queues it.
//!
//! ```text
//!  cell:  | header 64 B: state, vtable, queue link, owner, node, spawn site, id, polled | owned link | joiner | future or outcome |
//! ```
//!
//! - `state` is the word that decides who may do what; read it first.
//! - `header` and `cell` are the untyped and the typed part of the memory.
//! - `waker`, `runnable` and `join` are the three ways to hold a task: to wake it, to poll it, to wait for it. `run` is the polling.
//! - `owned` is the list of the living.
//! - `tree` is who belongs to whom; `tree_link` ties a task to its place in it, `current` says which task a thread polls.

mod birth;
mod body;
mod cell;
pub(crate) mod current;
mod error;
mod event;
mod header;
mod home;
mod id;
mod join;
mod joiner;
pub(crate) mod line;
mod memory;
#[cfg(all(test, lenio_loom))]
mod models;
mod owned;
mod panicked;
mod run;
mod runnable;
mod state;
#[cfg(all(test, not(lenio_loom)))]
mod state_model;
mod stop_handle;
pub(crate) mod tree;
mod tree_link;
#[cfg(all(test, lenio_loom))]
mod tree_models;
mod waker;

pub(crate) use birth::{Birth, PlaceInTree, Rules, Under};
pub(crate) use body::Body;
pub(crate) use cell::{Spawned, new_local, new_task};
pub(crate) use current::RootSeat;
pub use error::JoinError;
pub use event::{StopEvent, StopOrigin, TaskInfo, Unobserved};
pub(crate) use header::Header;
pub(crate) use home::{Home, set_finder};
pub use id::TaskId;
pub use join::JoinHandle;
pub(crate) use join::Refusal;
pub(crate) use owned::Owner;
pub(crate) use run::{Ran, poll_inside};
pub(crate) use runnable::Runnable;
pub(crate) use stop_handle::reason;
pub use stop_handle::{CancelOnDrop, JoinLinked, NotParent, StopHandle, StopOnDrop};
pub(crate) use tree_link::{Living, adopt_newborn, living, roots};

pub(crate) use lenio_sync::contain::{contain, drop_payload};
