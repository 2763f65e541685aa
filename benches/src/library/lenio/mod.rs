//! lenio's `sync`: the library under test.
//!
//! One file per kind: locks, notifications, channels.

use super::Library;
use crate::rt::OURS;

mod channel;
mod locks;
mod signals;

pub(super) use channel::{Bounded, Unbounded};
pub(super) use locks::Locks;
pub(super) use signals::Signals;

const LIBRARY: Library = Library {
    name: OURS,
    homes: &[OURS],
};
