//! The one shim between lenio and its threads: std normally, loom under `--cfg lenio_loom`.
//!
//! Everybody else in the workspace imports atomics, locks, condition variables and threads from here, so that a loom model sees every
//! operation that matters. [`Arc`](std::sync::Arc) stays std's in both worlds: no protocol of lenio depends on the ordering inside a
//! reference count that std already proves.
//!
//! Two deliberate differences from std: locks ignore poisoning (a panic in user code never runs while one of our locks is held, so a
//! poisoned lock could only repeat a panic elsewhere), and [`plain`] offers std's atomics even under loom, for statics and for
//! counters on which no protocol depends.

#[cfg(lenio_loom)]
mod model;
#[cfg(not(lenio_loom))]
mod real;
// In models loom's own lock stands in for it, and only its own model looks at it.
#[cfg(any(not(lenio_loom), test))]
mod short;

#[cfg(lenio_loom)]
use model as imp;
#[cfg(not(lenio_loom))]
use real as imp;

pub use imp::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, hint, thread, thread_local};
#[cfg(lenio_loom)]
pub use model::{ShortGuard, ShortLock};
#[cfg(not(lenio_loom))]
pub use short::{ShortGuard, ShortLock};

/// Whether this build runs under loom, whose types are larger and whose clock stands still.
pub const MODEL: bool = cfg!(lenio_loom);

/// std's atomics in both worlds: for statics, ids and metrics, on which no protocol depends.
pub mod plain {
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
}
