//! Waiting for several futures at once, within one task.
//!
//! | function | waits for | the others |
//! |---|---|---|
//! | [`join`] | all of a tuple | run on |
//! | [`try_join`] | all of a tuple, or the first error | are dropped after an error |
//! | [`join_all`] | all of a list, of any length | run on |
//! | [`race`] | the first of a tuple | are dropped |
//! | [`select`] | the first of two | is given back |
//! | [`concurrent`] | all that the body has spawned, and the body | are stopped after a panic |
//!
//! All of them poll their futures on the task that awaits them: concurrent, not parallel, and without `'static` or `Send`. For
//! parallel work spawn tasks and join their handles; [`gather`](crate::gather) has `join_all`, `try_join_all` and `race` of tasks.
//!
//! | | here | in [`gather`](crate::gather) |
//! |---|---|---|
//! | futures | of any lifetime, `!Send` too | `Send + 'static` |
//! | run | on the task that waits, in turns | as child tasks, in parallel |
//! | a future that computes for long | holds up the others | holds up nobody |
//! | losers and those left after an error | are dropped where they stand | are stopped gently, and awaited |
//! | when the wait is dropped | are dropped with it | are stopped; the task around is not done before they are |
//! | costs | at most two small boxes per future | a task per future |
//!
//! # Fairness
//!
//! A poll of a tuple polls each of its unfinished futures once. The first poll starts with the first future of the tuple, the next
//! one with the second, and so on round, so that no future is always served last. [`join_all`] polls only those futures that were
//! woken, in the order of their wakes, at most 256 before it lets other tasks run.

mod child;
mod group;
mod join;
mod join_all;
mod nursery;
mod race;
mod ready;
mod select;
mod slot;

pub use child::{ChildError, ChildHandle};
pub use group::{Group, Racers, TryGroup, Tuple};
pub use join::{Join, TryJoin, join, try_join};
pub use join_all::{JoinAll, join_all};
pub use nursery::{
    LocalChild, LocalNursery, Nursery, SendChild, SendNursery, concurrent, concurrent_local,
};
pub use race::{Race, race};
pub use select::{Either, Select, select};
