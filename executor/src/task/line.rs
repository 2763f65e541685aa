//! Where the throughline that is in force lives.
//!
//! A task has the chain that was in force when it was spawned, in its node: so a poll costs nothing. What a part of it enters on top is
//! put here for the duration of that part's poll, together with the identity of the task; whatever else the thread polls meanwhile,
//! further up the stack, is another task, and does not see it.

use super::current;
use crate::context::chain::Chain;
use lenio_sync::primitive::thread;
use std::cell::{Cell, RefCell};

/// A chain that was entered, and on behalf of whom.
pub(crate) struct Entered {
    who: u64,
    chain: Chain,
}

thread_local! {
    /// Whether there is something in `ENTERED`: one load, where that one has a destructor to register.
    static HAS_ENTERED: Cell<bool> = const { Cell::new(false) };
    static ENTERED: RefCell<Option<Entered>> = const { RefCell::new(None) };
    /// The chain that was in force where the panic began that is under way.
    static OF_PANIC: Cell<Option<Chain>> = const { Cell::new(None) };
}

/// The chain that is in force here.
pub(crate) fn current() -> Chain {
    if !HAS_ENTERED.get() {
        return current::inherited_chain();
    }
    let who = current::key();
    // While the thread ends, nothing is in force.
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        let entered = entered.as_ref().filter(|entered| entered.who == who)?;
        Some(entered.chain.clone())
    });
    entered
        .ok()
        .flatten()
        .unwrap_or_else(current::inherited_chain)
}

/// Whether nothing has been entered here, for the task that is current or any other.
#[inline]
pub(crate) fn is_plain() -> bool {
    !HAS_ENTERED.get()
}

/// Puts a chain in force. To be undone with [`leave`].
pub(crate) fn enter(chain: Chain) -> Option<Entered> {
    let who = current::key();
    let entered = Some(Entered { who, chain });
    HAS_ENTERED.set(true);
    ENTERED
        .try_with(|before| before.replace(entered))
        .ok()
        .flatten()
}

/// Puts back what was in force before, and returns the chain that was entered.
pub(crate) fn leave(before: Option<Entered>) -> Chain {
    HAS_ENTERED.set(before.is_some());
    let left = ENTERED.try_with(|entered| entered.replace(before));
    let chain = match left {
        Ok(Some(left)) => left.chain,
        _ => Chain::empty(),
    };
    if thread::panicking() {
        // The first one that unwinds is the innermost.
        let _ = OF_PANIC.try_with(|of_panic| {
            let first = of_panic.take().unwrap_or_else(|| chain.clone());
            of_panic.set(Some(first));
        });
    }
    chain
}

/// The chain that was in force where the panic began that has just been caught.
pub(crate) fn take_of_panic() -> Chain {
    let first = OF_PANIC.try_with(Cell::take).ok().flatten();
    first.unwrap_or_else(current)
}
