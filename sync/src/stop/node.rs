//! One place in the tree: what is known about it, and how it is tied to the place above.
//!
//! | field | written | read |
//! |---|---|---|
//! | `is_stopped` | once, under the lock of `queue` | by anybody, at any time |
//! | `queue` | under its lock | under its lock |
//! | `link` | before the node is shared | when the node goes |

use super::reason::StopReason;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::registry::Registry;
use crate::wait::{WaitQueue, WakeBatch};
use std::sync::{Arc, Weak};

/// The list of those who wait for the stop.
pub(super) const WAITERS: usize = 0;
/// The list of those who wait for the end of the callback that runs.
pub(super) const ENDERS: usize = 1;
pub(super) const LISTS: usize = 2;

/// What runs at the stop.
pub(super) type Action = Box<dyn FnOnce() + Send>;

pub(super) struct Node {
    is_stopped: AtomicBool,
    pub(super) queue: WaitQueue<State, LISTS>,
    /// `None` for a root, and for a child that was born stopped: nothing more can reach it.
    link: Option<Link>,
}

/// What the lock of a node protects.
pub(super) struct State {
    /// Set once, together with `is_stopped`. From then on `children` and `callbacks` get no new entries.
    pub(super) reason: Option<StopReason>,
    children: Registry<Weak<Node>>,
    pub(super) callbacks: Registry<Action>,
    /// The callback that has been taken out by the stop and has not returned yet.
    pub(super) running: Option<u64>,
}

/// The tie to the node above.
struct Link {
    parent: Arc<Node>,
    /// Of the weak reference in the parent's list.
    key: u64,
}

/// What the one who stopped a node now owes: to run its callbacks, if there are any, and to stop the nodes below.
#[must_use]
pub(super) struct Begun {
    /// First made first.
    pub(super) children: Registry<Weak<Node>>,
    pub(super) has_callbacks: bool,
}

impl Node {
    /// A root.
    pub(super) fn new() -> Self {
        Self::with_reason(None)
    }

    fn with_reason(reason: Option<StopReason>) -> Self {
        Self {
            is_stopped: AtomicBool::new(reason.is_some()),
            queue: WaitQueue::new(State {
                reason,
                children: Registry::new(),
                callbacks: Registry::new(),
                running: None,
            }),
            link: None,
        }
    }

    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `begin_stop`: whoever sees the stop sees what was written before it, the flags
        // of the nodes above among it. A flag that was born set was published together with its node.
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(super) fn reason(&self) -> Option<StopReason> {
        if self.is_stopped() {
            self.queue.lock().reason.clone()
        } else {
            None
        }
    }

    /// Makes a node below, which is stopped already if this one is.
    pub(super) fn child(self: &Arc<Self>) -> Arc<Self> {
        if let Some(reason) = self.reason() {
            return Arc::new(Self::with_reason(Some(reason)));
        }
        let mut child = Arc::new(Self::new());
        let mut state = self.queue.lock();
        // Only now the look counts: a stop takes the lock to set the reason and to take the list.
        if let Some(reason) = state.reason.clone() {
            drop(state);
            return Arc::new(Self::with_reason(Some(reason)));
        }
        state.children.push_with(|key| {
            // It always is: nobody else has it yet.
            if let Some(node) = Arc::get_mut(&mut child) {
                let parent = self.clone();
                node.link = Some(Link { parent, key });
            }
            Arc::downgrade(&child)
        });
        drop(state);
        child
    }

    #[cfg(test)]
    pub(super) fn live_children(&self) -> usize {
        self.queue.lock().children.len()
    }

    /// Sets flag and reason, collects the wakers of those who wait for it, and hands out the nodes below.
    ///
    /// `None` if it is stopped already. Then everything belongs to whoever stopped it.
    pub(super) fn begin_stop(&self, reason: &StopReason, batch: &mut WakeBatch) -> Option<Begun> {
        let mut state = self.queue.lock();
        if state.reason.is_some() {
            return None;
        }
        state.reason = Some(reason.clone());
        // ORDERING: Release pairs with the Acquire in `is_stopped`.
        self.is_stopped.store(true, Ordering::Release);
        state.wake_all(WAITERS, batch);
        Some(Begun {
            children: std::mem::take(&mut state.children),
            has_callbacks: !state.callbacks.is_empty(),
        })
    }

    /// Takes the next callback out to be run by the caller. The one that was taken out before has returned.
    ///
    /// For the thread that stopped the node: nobody else runs callbacks of it.
    pub(super) fn next_callback(&self, batch: &mut WakeBatch) -> Option<Action> {
        let mut state = self.queue.lock();
        let next = state.callbacks.pop_first();
        state.running = next.as_ref().map(|(key, _)| *key);
        state.wake_all(ENDERS, batch);
        drop(state);
        Some(next?.1)
    }
}

/// Takes the node off the list above, and lets go of the node above; of its parent too if nobody else holds it, and so on.
///
/// No user code runs in here: a node that goes has no waiters, which borrow a handle, and no callbacks, whose registrations hold the
/// node.
impl Drop for Node {
    fn drop(&mut self) {
        let mut link = self.link.take();
        // A loop, because a chain may be longer than the stack is deep.
        while let Some(Link { parent, key }) = link {
            let mut state = parent.queue.lock();
            let reference = state.children.remove(key);
            drop(state);
            drop(reference);
            link = Arc::into_inner(parent).and_then(|mut node| node.link.take());
        }
    }
}
