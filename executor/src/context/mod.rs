//! Values that belong to a task rather than to a thread.

mod local;

pub(crate) use local::hide;
pub use local::{AccessError, Scope, TaskLocal};
