//! tokio's `sync`: what most programs lock and send with.
//!
//! One file per kind: locks, notifications, channels.

use super::Library;

mod channel;
mod locks;
mod signals;

pub(super) use channel::{Bounded, Unbounded};
pub(super) use locks::Locks;
pub(super) use signals::Signals;

const LIBRARY: Library = Library {
    name: "tokio",
    homes: &["tokio-mt", "tokio-ct"],
};
