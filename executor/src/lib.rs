//! Who runs, where and when: the task cell, the work-stealing scheduler, the blocking pool, the runtime.
//!
//! Users depend on the crate `lenio`, which re-exports this one together with timers and sockets.
//!
//! Modules, each importing only what stands left of it:
//! `context . task . observe . blocking . scheduler . handle . local_set . runtime . builder . entry . join_set`.
//!
//! Reports and hooks name tasks, so `observe` stands right of `task`; `scope`, `policy` and `sim` are still to come.

pub mod context;

mod task;

mod observe;

mod blocking;

mod scheduler;

mod handle;

mod local_set;

mod runtime;

mod builder;

mod entry;

mod join_set;

pub use builder::Builder;
pub use context::TaskLocal;
pub use entry::{block_on, spawn, spawn_blocking};
pub use handle::{
    EnterGuard, Handle, NoRuntime, TaskBuilder, block_in_place, current_task, yield_now,
};
pub use join_set::JoinSet;
pub use local_set::{LocalSet, spawn_local};
pub use observe::{LeftBehind, Metrics, Report, StuckTask, WorkerMetrics};
pub use runtime::Runtime;
pub use task::{JoinError, JoinHandle, TaskId};

/// Polls of one task after which every other runnable task of the same worker has been polled; see [`Runtime`] on fairness.
pub const FAIRNESS_BOUND: u64 = scheduler::FAIRNESS;
