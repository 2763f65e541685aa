//! The walk of a stop, or a cancel, through the tree.
//!
//! Pre-order: a node's word and reason, whoever waits with a waker of its own, its callbacks, those who are linked to it, then its
//! children in the order in which they were spawned, each with everything below. One lock at a time, and no recursion: a chain of a
//! million tasks needs no more stack than one task. A child that sees its flag sees its parent's.
//!
//! A node that is stopped already with everything below is left at that; one whose walk is still under way is walked as well, because
//! whoever asks may rely on everybody below having been asked when the call returns. Children that come during the walk are born
//! stopped. A shield keeps the walk out and remembers it.

use super::node::{Kind, Node};
use super::progress::Progress;
use crate::policy::Grace;
use lenio_sync::contain::contain;
use lenio_sync::stop::StopReason;
use std::sync::Arc;

/// Children that are looked at under one lock.
const CHUNK: usize = 64;
/// Nodes that one step of the walk visits.
pub(crate) const STEP: usize = 4096;

/// What is asked of everything below a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To stop.
    Stop,
    /// To go at the next suspension point.
    Cancel {
        /// Because the grace is over.
        is_expired: bool,
    },
}

/// A walk under way.
pub(crate) struct Cascade {
    reason: StopReason,
    /// The next one last.
    left: Vec<Left>,
    /// Whether the grace of a policy is set in motion where the walk begins to stop.
    with_grace: bool,
    /// The grace that the nodes above have set in motion.
    graces: Vec<(Arc<Node>, Grace)>,
    progress: Arc<Progress>,
}

enum Left {
    Visit(Arc<Node>, Ask, Option<Grace>),
    /// The children behind the one with this key.
    Children(Arc<Node>, Option<u64>, Ask, Option<Grace>),
    /// From here on it is for this reason again.
    Reason(StopReason),
}

impl Cascade {
    pub(crate) fn new(reason: StopReason) -> Self {
        Self {
            reason,
            left: Vec::new(),
            with_grace: true,
            graces: Vec::new(),
            progress: Arc::new(Progress::new()),
        }
    }

    /// A walk whose caller looks after the grace.
    pub(crate) fn without_grace(mut self) -> Self {
        self.with_grace = false;
        self
    }

    /// Goes to `node` and everything below. Returns whether this walk was the first to come there.
    pub(crate) fn begin(&mut self, node: &Arc<Node>, ask: Ask) -> bool {
        self.visit(node.clone(), ask, None)
    }

    /// Goes to everything below `node`, but not to itself.
    pub(super) fn begin_below(&mut self, node: &Arc<Node>, ask: Ask) {
        self.left
            .push(Left::Children(node.clone(), None, ask, None));
    }

    /// Goes on for some thousand nodes. Returns whether there is more to do.
    pub(crate) fn step(&mut self) -> bool {
        for _ in 0..STEP {
            match self.left.pop() {
                None => {
                    self.progress.end();
                    self.start_graces();
                    return false;
                }
                Some(Left::Visit(node, ask, grace)) => {
                    self.visit(node, ask, grace);
                }
                Some(Left::Children(node, after, ask, grace)) => {
                    self.push_children(node, after, ask, grace);
                }
                Some(Left::Reason(reason)) => self.reason = reason,
            }
        }
        true
    }

    /// Goes on to the end.
    pub(crate) fn finish(mut self) {
        while self.step() {}
    }

    fn start_graces(&mut self) {
        for (node, grace) in self.graces.drain(..) {
            node.start_grace(grace);
        }
    }

    fn visit(&mut self, node: Arc<Node>, ask: Ask, running: Option<Grace>) -> bool {
        // Where a stop has no grace it is a cancel.
        let mut state = node.queue.lock();
        let grace = state.policy.grace;
        let ask = if grace.is_none() && node.kind() == Kind::Task {
            match ask {
                Ask::Stop => Ask::Cancel { is_expired: false },
                Ask::Cancel { .. } => ask,
            }
        } else {
            ask
        };
        let is_cancel = ask != Ask::Stop;
        let seen = node.read();
        if seen.is_done() {
            return false;
        }
        if seen.is_cancelled() || (!is_cancel && seen.is_requested()) {
            let is_under_way = state
                .asked_by
                .as_ref()
                .is_some_and(|other| !Arc::ptr_eq(other, &self.progress) && !other.is_over());
            let reason = state.reason.clone();
            drop(state);
            if is_under_way {
                self.walk_below(node, reason, ask, running);
            }
            return false;
        }
        if node.keeps_out(&state, is_cancel) {
            if state.reason.is_none() {
                state.reason = Some(self.reason.clone());
            }
            state.note_kept_out(is_cancel);
            return true;
        }
        let is_first = !seen.is_requested();
        if is_first {
            state.reason.get_or_insert_with(|| self.reason.clone());
        }
        // Where nothing is below, nothing can be left to be asked: what comes later is born stopped.
        let before = if state.children.is_empty() {
            None
        } else {
            state.asked_by.replace(self.progress.clone())
        };
        match ask {
            Ask::Stop => node.word.request(),
            Ask::Cancel { is_expired } => node.word.cancel(is_expired),
        };
        // A task that is to be dropped waits for those below first, and is woken by the last of them. Unless a hard shield lets it go
        // on, or it is a part of a task that goes on: those hear of it now.
        let waits = is_cancel && node.kind() == Kind::Task && state.live > 0 && state.holds == 0;
        let woken = (!waits).then(|| state.wake_member());
        let rare = state.rare.as_ref().filter(|_| is_first);
        let signal = rare.and_then(|rare| rare.signal.clone());
        let links = rare.filter(|rare| !rare.links.is_empty()).map(|rare| {
            let links = rare.links.after(None).map(|(_, link)| link.clone());
            links.collect::<Vec<_>>()
        });
        let has_children = !state.children.is_empty();
        state.is_announced |= is_first && signal.is_none();
        let reason = if has_children {
            state.reason.clone()
        } else {
            None
        };
        // Who is not in a poll is never polled again: only this one can get stuck. After a stop its grace looks after that.
        let is_asked_at_once = ask == Ask::Cancel { is_expired: false } && is_first;
        let may_be_stuck = is_asked_at_once && node.is_running(&state);
        drop(state);
        drop(before);
        if let Some(signal) = signal {
            // Callbacks that panic hold nobody up.
            let reason = self.reason.clone();
            contain(move || {
                signal.stop(reason);
            });
            node.queue.lock().is_announced = true;
        }
        if let Some(woken) = woken {
            woken.go();
        }
        let mut running = running;
        if self.with_grace && is_first && !is_cancel && running != Some(grace) {
            running = Some(grace);
            if !grace.is_for_ever() {
                self.graces.push((node.clone(), grace));
            }
        }
        if self.with_grace && may_be_stuck && !grace.is_none() {
            let hard_only = Grace {
                soft: None,
                ..grace
            };
            self.graces.push((node.clone(), hard_only));
        }
        if has_children {
            self.walk_below(node, reason, ask, running);
        }
        let links = links.unwrap_or_default().into_iter().rev();
        self.left.extend(
            links
                .filter_map(|link| link.upgrade())
                .map(|link| Left::Visit(link, Ask::Stop, None)),
        );
        true
    }

    /// Everything below a node that has been asked before is asked for the reason that the node has.
    fn walk_below(
        &mut self,
        node: Arc<Node>,
        reason: Option<StopReason>,
        ask: Ask,
        running: Option<Grace>,
    ) {
        if let Some(reason) = reason.filter(|reason| !reason.is_same_as(&self.reason)) {
            let outer = std::mem::replace(&mut self.reason, reason);
            self.left.push(Left::Reason(outer));
        }
        self.left.push(Left::Children(node, None, ask, running));
    }

    fn push_children(
        &mut self,
        node: Arc<Node>,
        after: Option<u64>,
        ask: Ask,
        running: Option<Grace>,
    ) {
        let begin = self.left.len();
        let state = node.queue.lock();
        let mut last = None;
        for (key, child) in state.children.after(after).take(CHUNK) {
            last = Some(key);
            let child = child.node.clone();
            self.left.push(Left::Visit(child, ask, running));
        }
        drop(state);
        let Some(last) = last else { return };
        let is_full = self.left.len() - begin == CHUNK;
        if is_full {
            self.left
                .push(Left::Children(node, Some(last), ask, running));
        }
        // The first comes out first.
        self.left[begin..].reverse();
    }
}

impl Node {
    /// Asks this node and everything below to stop. Returns whether it had not been asked before. When the call is over everything that
    /// was linked below at its beginning has been asked.
    pub(crate) fn stop(self: &Arc<Self>, reason: StopReason) -> bool {
        self.ask(reason, Ask::Stop)
    }

    /// Cancels this node and everything below, those below first.
    pub(crate) fn cancel(self: &Arc<Self>, reason: StopReason) -> bool {
        self.ask(reason, Ask::Cancel { is_expired: false })
    }

    pub(super) fn ask(self: &Arc<Self>, reason: StopReason, ask: Ask) -> bool {
        let mut cascade = Cascade::new(reason);
        let is_first = cascade.begin(self, ask);
        cascade.finish();
        is_first
    }

    /// Asks everything below, but not this node.
    pub(super) fn ask_below(self: &Arc<Self>, reason: StopReason, ask: Ask) {
        let mut cascade = Cascade::new(reason);
        cascade.begin_below(self, ask);
        cascade.finish();
    }
}
