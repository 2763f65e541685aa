//! The task cell: one allocation that holds a future, then its outcome, and everything the runtime must know about it.
//!
//! The task knows no scheduler. An [`Owner`] stands between them: it lists the tasks that were spawned through it, so that shutdown
//! and dumps find every one that lives, and it knows the function that takes a [`Runnable`] and queues it.
//!
//! ```text
//!  cell:  | header 64 B: state, vtable, queue link, owner, extension, spawn site, id, stop | owned link | joiner | future or outcome |
//! ```
//!
//! - `state` is the word that decides who may do what; read it first.
//! - `header` and `cell` are the untyped and the typed part of the memory.
//! - `waker`, `runnable` and `join` are the three ways to hold a task: to wake it, to poll it, to wait for it. `run` is the polling.
//! - `owned` is the list of the living.

mod cell;
mod error;
mod header;
mod id;
mod join;
mod joiner;
mod memory;
#[cfg(all(test, lenio_loom))]
mod models;
mod owned;
mod run;
mod runnable;
mod state;
#[cfg(all(test, not(lenio_loom)))]
mod state_model;
mod waker;

pub(crate) use cell::{new_local, new_task};
pub use error::JoinError;
pub(crate) use header::Header;
pub use id::TaskId;
pub use join::JoinHandle;
pub(crate) use join::Refusal;
pub(crate) use owned::Owner;
pub(crate) use run::Ran;
pub(crate) use runnable::Runnable;

pub(crate) use lenio_sync::contain::{contain, drop_payload};
