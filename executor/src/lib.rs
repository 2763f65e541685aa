//! Who runs, where and when: the task cell, the work-stealing scheduler, the blocking pool, the runtime.
//!
//! Users depend on the crate `lenio`, which re-exports this one together with timers and sockets.
//!
//! Modules, each importing only what stands left of it:
//! `context . observe . task . blocking . scheduler . handle . join_set . local_set . runtime . builder`.

pub mod context;

mod observe;

mod task;

mod blocking;

mod scheduler;

mod handle;

mod join_set;

mod local_set;

mod runtime;

mod builder;

pub use builder::Builder;
pub use context::TaskLocal;
pub use handle::{
    EnterGuard, Handle, NoRuntime, TaskBuilder, block_in_place, block_on, current_task, spawn,
    spawn_blocking, yield_now,
};
pub use join_set::JoinSet;
pub use local_set::{LocalSet, spawn_local};
pub use observe::{LeftBehind, Metrics, Report, StuckTask, WorkerMetrics};
pub use runtime::Runtime;
pub use task::{JoinError, JoinHandle, TaskId};

/// Polls of one task after which every other runnable task of the same worker has been polled; see [`Runtime`] on fairness.
pub const FAIRNESS_BOUND: u64 = scheduler::FAIRNESS;
