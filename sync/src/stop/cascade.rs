//! The walk of a stop through the tree, and everything foreign that it calls on its way.

use super::node::Node;
use super::reason::StopReason;
use crate::contain::drop_payload;
use crate::primitive::{thread, thread_local};
use crate::wait::WakeBatch;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Weak;

thread_local! {
    // No `const`, which loom's macro does not know.
    static CALLBACKS: Cell<usize> = Cell::default();
}

/// Whether this thread is inside of a stop callback, at any depth.
pub(super) fn is_inside_callback() -> bool {
    CALLBACKS.with(Cell::get) > 0
}

/// Runs a stop callback.
pub(super) fn run_callback(action: impl FnOnce()) {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            CALLBACKS.with(|count| count.set(count.get() - 1));
        }
    }
    CALLBACKS.with(|count| count.set(count.get() + 1));
    let inside = Inside;
    action();
    drop(inside);
}

/// Stops `node` and everything below. Returns whether this call was the first to stop `node`.
///
/// Foreign code that panics holds nobody up. The first panic is handed on at the end, or ends here if the thread unwinds already.
pub(super) fn stop(node: &Node, reason: &StopReason) -> bool {
    let (is_first, panic) = stop_and_catch(node, reason);
    match panic {
        Some(payload) if thread::panicking() => drop_payload(payload),
        Some(payload) => resume_unwind(payload),
        None => {}
    }
    is_first
}

/// As [`stop`], for callers that must not panic.
pub(super) fn stop_and_contain(node: &Node, reason: &StopReason) {
    if let (_, Some(payload)) = stop_and_catch(node, reason) {
        drop_payload(payload);
    }
}

type Payload = Box<dyn Any + Send>;

fn stop_and_catch(node: &Node, reason: &StopReason) -> (bool, Option<Payload>) {
    if node.is_stopped() {
        return (false, None);
    }
    let mut cascade = Cascade {
        reason,
        batch: WakeBatch::new(),
        left: Vec::new(),
        panic: None,
    };
    let is_first = cascade.visit(node);
    while let Some(child) = cascade.left.pop() {
        // Nobody holds a node that is gone, hence nobody has to hear of it.
        if let Some(child) = child.upgrade() {
            cascade.visit(&child);
        }
    }
    (is_first, cascade.panic)
}

struct Cascade<'r> {
    reason: &'r StopReason,
    batch: WakeBatch,
    /// The nodes that are still to be visited, the next one last.
    left: Vec<Weak<Node>>,
    /// The first panic on the way.
    panic: Option<Payload>,
}

impl Cascade<'_> {
    /// Stops one node, and notes those below as the next ones.
    fn visit(&mut self, node: &Node) -> bool {
        let Some(begun) = node.begin_stop(self.reason, &mut self.batch) else {
            return false;
        };
        // The last is visited last.
        self.left.extend(begun.children.into_values().rev());
        self.wake();
        if begun.has_callbacks {
            self.run_callbacks(node);
        }
        true
    }

    fn run_callbacks(&mut self, node: &Node) {
        while let Some(action) = node.next_callback(&mut self.batch) {
            // Whoever waited for the end of the one before.
            self.wake();
            self.attempt(|_| run_callback(action));
        }
        self.wake();
    }

    fn wake(&mut self) {
        if !self.batch.is_empty() {
            self.attempt(|batch| batch.wake_all());
        }
    }

    /// Calls foreign code.
    fn attempt(&mut self, f: impl FnOnce(&mut WakeBatch)) {
        let batch = &mut self.batch;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(batch))) {
            if self.panic.is_none() {
                self.panic = Some(payload);
            } else {
                drop_payload(payload);
            }
        }
    }
}
