//! Waiting, for any executor: the parts that the rest of lenio waits with.
//!
//! This crate knows no executor, no reactor and no clock; the other crates of lenio stand on it. Its modules, in the order in which
//! they may import each other (each only what stands left of it; `wakers` is there in tests only): `primitive . contain . registry .
//! park . budget . wakers . wait . event . notify . semaphore . lock . rwlock . condvar . barrier . once . wait_group . stop . channel`.
//!
//! Beneath:
//!
//! - [`primitive`] is the one place that names std's or loom's atomics, locks and threads.
//! - [`contain`] ends panics of foreign code.
//! - [`registry`] keeps values in the order of their arrival.
//! - [`park`] puts a thread to sleep and wakes it.
//! - [`budget`] bounds what one poll of a task may do before it has to let others run.
//! - [`wait`] holds the waiter list and the wake batch, and lets a thread wait for a future.
//!
//! To use:
//!
//! | for | there is |
//! |---|---|
//! | a flag that many wait for; a signal to one of many; the last of many | [`Event`]; [`Notify`]; [`WaitGroup`] |
//! | one at a time, many readers or one writer, so many at a time | [`Lock`], [`RwLock`], [`Semaphore`] |
//! | a change of what a lock protects | [`Condvar`] |
//! | tasks that wait for each other | [`Barrier`] |
//! | a value that is made once | [`OnceCell`], [`Lazy`] |
//! | values on their way | [`channel`] |
//! | a request to finish | [`StopSource`], [`StopToken`] |

pub mod primitive;

pub mod contain;

pub mod registry;

pub mod park;

pub mod budget;

pub mod wait;

pub mod event;

pub mod notify;

pub mod semaphore;

pub mod lock;

pub mod rwlock;

pub mod condvar;

pub mod barrier;

pub mod once;

pub mod wait_group;

pub mod stop;

pub mod channel;

#[cfg(all(test, not(lenio_loom)))]
mod wakers;

pub use barrier::Barrier;
pub use condvar::Condvar;
pub use event::Event;
pub use lock::Lock;
pub use notify::Notify;
pub use once::{Lazy, OnceCell};
pub use rwlock::RwLock;
pub use semaphore::Semaphore;
pub use stop::{StopReason, StopSource, StopToken};
pub use wait_group::WaitGroup;
