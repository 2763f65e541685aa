//! Values that belong to a task rather than to a thread.
//!
//! - `local` is the value of one key, which follows one future.
//! - `chain`, `frame` and `value` are the throughline as data; [`throughline`](mod@crate::throughline) says where one is in force.

pub(crate) mod chain;
pub(crate) mod frame;
mod local;
pub(crate) mod value;

pub(crate) use local::hide;
pub use local::{AccessError, Scope, TaskLocal};
