//! lenio's `sync`, scopes and throughline: the library under test.
//!
//! One file per kind: locks, notifications, channels, groups of tasks, throughlines.

use super::Library;
use crate::rt::OURS;

mod channel;
mod groups;
mod lines;
mod locks;
mod signals;

pub(super) use channel::{Bounded, Unbounded};
pub(super) use groups::Groups;
pub(super) use lines::Lines;
pub(super) use locks::Locks;
pub(super) use signals::Signals;

const LIBRARY: Library = Library {
    name: OURS,
    homes: &[OURS],
};
