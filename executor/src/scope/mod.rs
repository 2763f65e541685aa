//! Waits that end at a stop, and scopes that wait for what they started.
//!
//! # A stop is a wake-up
//!
//! A stop sets a word in the task's node and schedules the task. A wait that is aware of stops, [`StopExt::or_stop`], looks at the word when it
//! is polled. So such a wait registers nothing, as long as it is polled with the task's own waker; with another one, as in a join, it
//! leaves a waiter at the node.
//!
//! # Four doors
//!
//! | door | children may borrow | in parallel | who waits |
//! |---|---|---|---|
//! | [`block_scope`] | the caller's stack | yes | the calling thread |
//! | [`scope`](fn@scope), [`try_scope`] | nothing | yes | the scope's future; if it is dropped, the task |
//! | [`scope_with`] | one shared state | yes | as above |
//! | `concurrent`, in the crate `lenio` | all that outlives the call | no | the same task |
//!
//! There is no async scope whose children borrow the stack and run in parallel: its future could be forgotten, and the children would
//! outlive what they borrow.
//!
//! | file | holds |
//! |---|---|
//! | `stop` | `or_stop`, `check_stop`, `stopped` |
//! | `part` | a future that is a node of its own while it is polled: what scopes, shields and nurseries are made of |
//! | `section` | the same, for combinators elsewhere |
//! | `shield` | `shield`, `shield_hard` |
//! | `finalizer` | `on_exit` |
//! | `builder`, `group`, `failure` | `scope`, `try_scope`: options, children, and what becomes of failures |
//! | `with` | `scope_with` |
//! | `block` | `block_scope` |

mod block;
mod builder;
mod failure;
mod finalizer;
mod group;
mod part;
mod section;
mod shield;
mod stop;
mod with;

pub use block::{BlockScope, ScopedHandle, block_scope};
pub use builder::{ScopeBuilder, scope, try_scope};
pub use failure::{OnFailure, ScopeError};
pub use finalizer::on_exit;
pub use group::Scope;
pub use section::Section;
pub use shield::{Shield, shield, shield_hard};
pub use stop::{OrStop, StopExt, check_stop, stop_handle, stopped};
pub use with::{Returned, scope_with};
