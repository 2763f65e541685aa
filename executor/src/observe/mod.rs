//! What users can see of a runtime: counters, hooks, and the report of a shutdown.

mod dump;
mod hooks;
mod metrics;
mod report;

pub use dump::{Dump, DumpEntry, TaskState};
pub(crate) use hooks::Hooks;
pub use hooks::StuckTask;
pub(crate) use metrics::Counters;
pub use metrics::{Metrics, WorkerMetrics};
pub use report::{LeftBehind, Report};
