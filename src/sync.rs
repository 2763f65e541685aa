//! Taking turns, waiting for each other, passing values, stopping: primitives for tasks, and for threads by way of their `_blocking`
//! methods.
//!
//! None of them needs this runtime: they work with any executor, and have no thread, no timer and no global of their own.
//!
//! | to | there is |
//! |---|---|
//! | use a value one at a time, or many readers at a time | [`Lock`], [`RwLock`]; with a condition to wait for, [`Condvar`] |
//! | let so many in at a time | [`Semaphore`] |
//! | wait for a state that is set and cleared | [`Event`] |
//! | wake one of those who wait, or all | [`Notify`] |
//! | meet, or wait until all are done | [`Barrier`], [`WaitGroup`] |
//! | make a value once | [`OnceCell`], [`Lazy`] |
//! | pass values on | [`channel`]: `bounded`, `unbounded`, `rendezvous`, `oneshot`, `watch`, `broadcast` |
//! | ask others to finish, and say why | [`StopSource`], [`StopToken`] |
//!
//! Guards, futures and errors stand in the module of their primitive, such as [`lock`] and [`semaphore`].
//!
//! # Waiting for a limited time
//!
//! Every wait is a future that may be dropped, so [`timeout`](crate::time::timeout) limits any of them:
//!
//! ```
//! use lenio::sync::Event;
//! use lenio::time::timeout;
//! use std::time::Duration;
//!
//! # lenio::block_on(async {
//! let ready = Event::new();
//! assert!(timeout(Duration::from_millis(1), ready.wait()).await.is_err());
//! ready.set();
//! assert!(timeout(Duration::from_secs(1), ready.wait()).await.is_ok());
//! # });
//! ```

pub use lenio_sync::{
    Barrier, Condvar, Event, Lazy, Lock, Notify, OnceCell, RwLock, Semaphore, StopReason,
    StopSource, StopToken, WaitGroup,
};
pub use lenio_sync::{
    barrier, channel, condvar, event, lock, notify, once, rwlock, semaphore, stop, wait_group,
};
