//! Who runs, where and when: the task cell, the work-stealing scheduler, the blocking pool, the runtime.
//!
//! Users depend on the crate `lenio`, which re-exports this one together with timers and sockets.
//!
//! Modules, each importing only what stands left of it:
//! `context . policy . task . throughline . observe . blocking . scheduler . handle . local_set . runtime . builder . entry .
//! scope . promise . serial . join_set . gather`.
//!
//! Reports and hooks name tasks, so `observe` stands right of `task`; `sim` is still to come.

pub mod context;

mod policy;

mod task;

pub mod throughline;

mod observe;

mod blocking;

mod scheduler;

mod handle;

mod local_set;

mod runtime;

mod builder;

mod entry;

mod scope;

mod promise;

mod serial;

mod join_set;

pub mod gather;

pub use builder::Builder;
pub use context::TaskLocal;
pub use entry::{block_on, spawn, spawn_blocking, spawn_child};
pub use handle::{
    EnterGuard, Handle, NoRuntime, TaskBuilder, block_in_place, current_task, yield_now,
};
pub use join_set::JoinSet;
pub use local_set::{LocalSet, spawn_local};
pub use observe::{
    Dump, DumpEntry, LeftBehind, Metrics, Report, StuckTask, TaskState, WorkerMetrics,
};
pub use policy::{AtEnd, FinalizerTime, Grace, JoinLinks, SpawnUnder, StopPolicy};
pub use promise::{Completer, promise};
pub use runtime::Runtime;
pub use scope::{
    BlockScope, OnFailure, OrStop, Returned, Scope, ScopeBuilder, ScopeError, ScopedHandle,
    Section, Shield, StopExt, block_scope, check_stop, on_exit, scope, scope_with, shield,
    shield_hard, stop_handle, stopped, try_scope,
};
pub use serial::SerialWorker;
pub use task::{
    CancelOnDrop, JoinError, JoinHandle, JoinLinked, NotParent, StopEvent, StopHandle, StopOnDrop,
    StopOrigin, TaskId, TaskInfo, Unobserved,
};

/// Polls of one task after which every other runnable task of the same worker has been polled; see [`Runtime`] on fairness.
pub const FAIRNESS_BOUND: u64 = scheduler::FAIRNESS;
