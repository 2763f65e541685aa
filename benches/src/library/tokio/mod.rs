//! tokio's `sync`: what most programs lock and send with.
//!
//! One file per kind: locks, notifications, channels, groups of tasks, throughlines.

use super::Library;

mod channel;
mod groups;
mod lines;
mod locks;
mod signals;

pub(super) use channel::{Bounded, Unbounded};
pub(super) use groups::{JoinSets, TaskTrackers};
pub(super) use lines::Lines;
pub(super) use locks::Locks;
pub(super) use signals::Signals;

const LIBRARY: Library = Library {
    name: "tokio",
    homes: &["tokio-mt", "tokio-ct"],
};
