//! Waiting, for any executor: the parts that the rest of lenio waits with.
//!
//! This crate knows no executor, no reactor and no clock; the other crates of lenio stand on it. Its modules, in the order in which
//! they may import each other (each only what stands left of it): `primitive . contain . park . budget . wait . event . semaphore . lock . rwlock . condvar . stop`.
//!
//! - [`primitive`] is the one place that names std's or loom's atomics, locks and threads.
//! - [`contain`] ends panics of foreign code.
//! - [`park`] puts a thread to sleep and wakes it.
//! - [`budget`] bounds what one poll of a task may do before it has to let others run.
//! - [`wait`] holds the waiter list and the wake batch.

pub mod primitive;

pub mod contain;

pub mod park;

pub mod budget;

pub mod wait;

pub mod event;

pub mod semaphore;

pub mod lock;

pub mod rwlock;

pub mod condvar;

pub mod stop;

pub use condvar::Condvar;
pub use event::Event;
pub use lock::Lock;
pub use rwlock::RwLock;
pub use semaphore::Semaphore;
pub use stop::{StopReason, StopSource, StopToken};
