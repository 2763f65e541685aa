//! The ties between nodes: who is whose child, how a change of the live count travels up, and who is stopped with whom.

use super::node::{Child, Kind, Node, Parent, State, Watchers, Woken};
use lenio_sync::stop::{StopKind, StopSource, StopToken};
use lenio_sync::wait::Guard;
use std::sync::{Arc, Weak};

/// What a node has to be told about one of its children.
#[must_use]
pub(super) struct Change {
    node: Arc<Node>,
    key: u64,
    /// Else it has nothing alive below any more.
    leaves: bool,
}

impl Node {
    /// Links `child`, which nobody else has, below this node. It is born stopped if this one is stopped, and has its policy if it
    /// has none of its own.
    ///
    /// If this one is done the child stays alone, and stopped.
    pub(crate) fn adopt(self: &Arc<Self>, child: &mut Arc<Self>, inherits_policy: bool) {
        debug_assert!(Arc::get_mut(child).is_some(), "a newborn is nobody else's");
        let is_task = child.kind() == Kind::Task;
        let mut state = self.queue.lock();
        // Under the lock, under which a cascade sets the word before it looks for children: it sees the child, or the child sees it.
        let seen = self.read();
        let mut reason = if seen.is_requested() {
            state.reason.clone()
        } else {
            None
        };
        if !seen.is_done() {
            let policy = state.policy;
            state.children.push_with(|key| {
                if let Some(newborn) = Arc::get_mut(child) {
                    let newborn = newborn.queue.get_mut();
                    newborn.parent = Some(Parent {
                        node: self.clone(),
                        key,
                    });
                    if inherits_policy {
                        newborn.policy = policy;
                    }
                }
                Child {
                    node: child.clone(),
                    counts: usize::from(is_task),
                }
            });
        }
        let mut above = None;
        if is_task && !seen.is_done() {
            state.live += 1;
            above = state.above_of_first(self.kind());
        }
        drop(state);
        if seen.is_body_done() && reason.is_none() {
            reason = Some(self.own_reason(StopKind::ParentFinished));
        }
        while let Some((node, key)) = above {
            above = node.count_up(key);
        }
        if let Some(reason) = reason {
            let mut newborn = child.queue.lock();
            newborn.reason = Some(reason);
            newborn.is_announced = true;
            if child.keeps_out(&newborn, seen.is_cancelled()) {
                newborn.note_kept_out(seen.is_cancelled());
            } else if seen.is_cancelled() {
                child.word.cancel(seen.is_expired());
            } else {
                child.word.request();
            }
        }
    }

    /// The part of this task with this key has something alive below from now on. Returns whom else this concerns.
    fn count_up(&self, key: u64) -> Option<(Arc<Self>, u64)> {
        let mut state = self.queue.lock();
        // It may have been left to itself meanwhile.
        state.children.find(key)?.counts += 1;
        state.live += 1;
        state.above_of_first(self.kind())
    }

    /// Takes the node off its parent's list. It goes on alone. Returns whether it had a parent.
    pub(crate) fn unlink(&self) -> bool {
        let mut state = self.queue.lock();
        let parent = state.parent.take();
        drop(state);
        Self::leave(parent)
    }

    /// Takes a node off the list of the parent that it had.
    pub(super) fn leave(parent: Option<Parent>) -> bool {
        let Some(Parent { node, key }) = parent else {
            return false;
        };
        Self::go_up(Some(Change {
            node,
            key,
            leaves: true,
        }));
        true
    }

    pub(super) fn go_up(mut change: Option<Change>) {
        while let Some(Change { node, key, leaves }) = change {
            change = node.child_changed(key, leaves);
        }
    }

    /// Notes that a child has left, or has nothing alive below any more. Returns what that changes further up.
    fn child_changed(&self, key: u64, leaves: bool) -> Option<Change> {
        let mut state = self.queue.lock();
        // A child that has left before, or is left to itself at this moment, has been taken out with all that it counts.
        let (gone, less) = if leaves {
            let gone = state.children.remove(key);
            let less = gone.as_ref().map_or(0, |child| child.counts);
            (gone, less)
        } else if let Some(child) = state.children.find(key) {
            child.counts -= 1;
            (None, 1)
        } else {
            (None, 0)
        };
        state.live -= less;
        if less == 0 || state.live > 0 {
            drop(state);
            drop(gone);
            return None;
        }
        let watchers = Watchers::take(&mut state);
        let seen = self.read();
        let mut woken = Woken::Nobody;
        let mut change = None;
        if self.kind() == Kind::Task {
            if seen.is_body_done() || seen.is_cancelled() {
                woken = state.wake_member();
            }
        } else if seen.is_body_done() {
            change = self.end_part(&mut state);
        } else {
            change = state.parent.as_ref().map(|parent| Change {
                node: parent.node.clone(),
                key: parent.key,
                leaves: false,
            });
        }
        drop(state);
        drop(gone);
        watchers.wake();
        woken.go();
        change
    }

    /// Ends a scope or shield that nobody polls any more and that has nothing alive below. Whoever watches it is woken by the caller.
    pub(super) fn end_part(&self, state: &mut Guard<'_, State>) -> Option<Change> {
        self.word.end();
        state.parent.take().map(|Parent { node, key }| Change {
            node,
            key,
            leaves: true,
        })
    }

    /// Stops `target` together with this node, from now on until the link is removed. Returns the key of the link.
    pub(crate) fn link_to(&self, target: &Arc<Self>) -> u64 {
        let mut state = self.queue.lock();
        let key = state.rare().links.push(Arc::downgrade(target));
        let missed = state.reason.clone().filter(|_| self.read().is_requested());
        drop(state);
        if let Some(reason) = missed {
            target.stop(reason);
        }
        key
    }

    /// As [`link_to`](Self::link_to), for good, and not a second time.
    pub(crate) fn link_once(&self, target: &Arc<Self>) {
        let state = self.queue.lock();
        let links = state.rare.as_ref().map(|rare| rare.links.after(None));
        let is_target = |(_, link): (u64, &Weak<Self>)| std::ptr::eq(link.as_ptr(), &**target);
        let is_linked = links.is_some_and(|mut links| links.any(is_target));
        drop(state);
        if !is_linked {
            self.link_to(target);
        }
    }

    pub(crate) fn remove_link(&self, key: u64) {
        let mut state = self.queue.lock();
        let link = state.rare().links.remove(key);
        drop(state);
        drop(link);
    }

    /// The token that is stopped with this node: for waits with a waker of their own, and for callbacks.
    pub(crate) fn token(&self) -> StopToken {
        let mut state = self.queue.lock();
        let signal = state.rare().signal.get_or_insert_with(StopSource::new);
        let token = signal.token();
        let missed = if self.read().is_requested() {
            let signal = signal.clone();
            state.reason.clone().map(|reason| (signal, reason))
        } else {
            None
        };
        drop(state);
        if let Some((signal, reason)) = missed {
            signal.stop(reason);
        }
        token
    }
}

impl State {
    /// Whom it concerns that there is one alive below now: of a scope or shield, the node above.
    fn above_of_first(&self, kind: Kind) -> Option<(Arc<Node>, u64)> {
        if kind == Kind::Task || self.live != 1 {
            return None;
        }
        let parent = self.parent.as_ref()?;
        Some((parent.node.clone(), parent.key))
    }
}
