//! A chain that is in force for a while.

use crate::context::chain::Chain;
use crate::task::line::{self, Entered};
use std::mem;

/// Keeps a chain in force until it is dropped, also by a panic. Both are a move: no reference count changes.
///
/// It stays on the stack of this module, and is not for users: held across an await it would leave its chain to whatever the thread
/// does next.
pub(super) struct InForce<'a> {
    /// The chain's home, empty while the chain is in force.
    home: &'a mut Chain,
    /// What was in force before.
    before: Option<Entered>,
}

impl<'a> InForce<'a> {
    pub(super) fn begin(chain: &'a mut Chain) -> Self {
        let before = line::enter(mem::take(chain));
        Self {
            home: chain,
            before,
        }
    }
}

impl Drop for InForce<'_> {
    fn drop(&mut self) {
        *self.home = line::leave(self.before.take());
    }
}
