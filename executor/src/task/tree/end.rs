//! How a task ends, step by step.
//!
//! ```text
//!  body returns, unwinds, or is dropped
//!    -> BODY_DONE: those who wait for the body are woken
//!    -> the children are stopped (by policy)
//!    -> nothing is alive below (by policy)
//!    -> finalizers, the last one first; what one leaves behind is stopped, and gone before the next
//!    -> finish callbacks
//!    -> DONE: the outcome is published, waiters are woken, the parent counts one less
//! ```
//!
//! The steps are taken by whoever has the right to poll the task: it asks [`Node::turn`] what to do before each poll, and
//! [`Node::poll_end`] once the body is over. A task that waits for its children is idle, and is woken by the last of them.

use super::cascade::Ask;
use super::keeper::Watcher;
use super::node::{Child, Finalizer, FinishCallback, Kind, Member, Node, State, Watchers};
use crate::policy::AtEnd;
use crate::task::error::JoinError;
use lenio_sync::contain::{contain, drop_payload};
use lenio_sync::stop::{StopKind, StopReason};
use lenio_sync::wait::Guard;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What the holder of the right to poll has to do.
#[must_use]
pub(crate) enum Turn {
    /// Poll the body.
    Body,
    /// Drop the body; the error is the outcome.
    Drop(JoinError),
    /// Nothing: it is to be dropped, but something below is alive.
    Rest,
    /// The body is over: go on with the end.
    End,
}

/// What the end of a task or scope waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Ending {
    /// Something below is alive, and no finalizer runs.
    Below,
    /// A finalizer runs.
    Finalizer,
    /// Nothing: nothing is alive below and no finalizer is left.
    Over,
}

impl Node {
    /// Before each poll. `is_first`: the body has never been polled.
    pub(crate) fn turn(self: &Arc<Self>, is_first: bool) -> Turn {
        let seen = self.read();
        if seen.is_body_done() {
            return Turn::End;
        }
        let is_stopped_before_it_began = seen.is_requested() && is_first;
        if !(seen.is_cancelled() || is_stopped_before_it_began) {
            return Turn::Body;
        }
        let mut state = self.queue.lock();
        if state.holds > 0 && !is_first {
            return Turn::Body;
        }
        if state.live > 0 {
            return Turn::Rest;
        }
        if self.is_promise() {
            // It may have been kept already, and says itself how it ends.
            return Turn::Body;
        }
        state.was_dropped = true;
        let reason = state.reason.clone();
        drop(state);
        Turn::Drop(if seen.is_cancelled() {
            JoinError::cancelled(self.id(), reason)
        } else {
            JoinError::stopped(self.id(), reason)
        })
    }

    /// Whether the body was dropped because of a stop or a cancel.
    pub(crate) fn was_dropped(&self) -> bool {
        self.queue.lock().was_dropped
    }

    /// The body is over, and nothing is below, and nobody has asked for anything to be done at the end: one step for all until
    /// [`close`](Self::close). `None`, and nothing is done: it has to go the long way. Else whether the body was dropped.
    pub(crate) fn end_at_once(&self) -> Option<bool> {
        let mut state = self.queue.lock();
        if state.rare.is_some() || !state.children.is_empty() {
            return None;
        }
        self.word.end_body();
        state.is_finishing = true;
        let was_dropped = state.was_dropped;
        let watchers = Watchers::take(&mut state);
        drop(state);
        watchers.wake();
        Some(was_dropped)
    }

    /// The body is over. Call it once, before [`poll_end`](Self::poll_end).
    pub(crate) fn end_body(self: &Arc<Self>, has_failed: bool) {
        let mut state = self.queue.lock();
        self.word.end_body();
        let watchers = Watchers::take(&mut state);
        let has_children = !state.children.is_empty();
        let reason = state.reason.clone();
        drop(state);
        watchers.wake();
        if !has_children {
            return;
        }
        let at_end = self.policy().at_end;
        if at_end != AtEnd::Leave {
            let kind = if has_failed {
                StopKind::ParentFailed
            } else {
                StopKind::ParentFinished
            };
            self.ask_below(reason.unwrap_or_else(|| self.own_reason(kind)), Ask::Stop);
        }
        if at_end != AtEnd::StopAndWait {
            self.leave_children();
        }
    }

    /// Leaves every child to itself.
    pub(crate) fn leave_children(&self) {
        let mut state = self.queue.lock();
        let children = state.children.take_all();
        state.live = 0;
        drop(state);
        for Child { node: child, .. } in children {
            let mut state = child.queue.lock();
            let parent = state.parent.take();
            let grace = state.policy.grace;
            drop(state);
            drop(parent);
            // Whoever looked after its grace may end before it does.
            if child.read().is_requested() {
                child.start_grace(grace);
            }
        }
    }

    /// Adds a finalizer, which runs before those that were added before. Too late, because nothing will run it: gives it back.
    pub(crate) fn add_finalizer(&self, finalizer: Finalizer) -> Result<(), Finalizer> {
        let mut state = self.queue.lock();
        let seen = self.read();
        let is_abandoned = self.kind() == Kind::Scope && seen.is_body_done();
        if seen.is_done() || is_abandoned {
            return Err(finalizer);
        }
        state.rare().finalizers.push(finalizer);
        Ok(())
    }

    /// The end of the task runs the finalizer of this scope, whose future is gone. Without a task nobody does.
    pub(crate) fn leave_to_task(self: &Arc<Self>, finalizer: Finalizer) {
        if let Some(task) = self.task() {
            drop(task.add_finalizer(finalizer));
        }
    }

    /// Takes what is to be run at the end out, first come first.
    pub(crate) fn take_finalizers(&self) -> Vec<Finalizer> {
        let mut state = self.queue.lock();
        match &mut state.rare {
            Some(rare) => std::mem::take(&mut rare.finalizers),
            None => Vec::new(),
        }
    }

    /// Runs `callback` once the outcome is fixed, before anybody who waits for the task is woken. Too late: gives it back.
    pub(crate) fn add_finish_callback(
        &self,
        callback: FinishCallback,
    ) -> Result<(), FinishCallback> {
        let mut state = self.queue.lock();
        if state.is_finishing || self.read().is_done() {
            return Err(callback);
        }
        state.rare().finish_callbacks.push(callback);
        Ok(())
    }

    /// Goes on with the end of a task or scope, after its body.
    ///
    /// `inside` calls what it is given as a part of the shield that it is given.
    pub(crate) fn poll_end(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        inside: impl Fn(&Arc<Self>, &mut dyn FnMut()),
    ) -> Ending {
        loop {
            let mut state = self.queue.lock();
            let is_alive = state.live > 0;
            let at_rest = if is_alive {
                Ending::Below
            } else {
                Ending::Over
            };
            let Some(rare) = &mut state.rare else {
                return at_rest;
            };
            let is_over = rare.finalizers_over;
            let shield = rare.finalizer_shield.clone();
            // One that has begun goes on beside what it has started; the next one begins after that.
            if is_alive && shield.is_none() && !is_over {
                return Ending::Below;
            }
            let Some(mut finalizer) = rare.finalizers.pop() else {
                return at_rest;
            };
            drop(state);
            if is_over {
                contain(move || drop(finalizer));
                self.end_finalizer();
                continue;
            }
            let shield = shield.unwrap_or_else(|| self.start_finalizer());
            let mut polled = Poll::Pending;
            inside(&shield, &mut || {
                let poll = || finalizer.as_mut().poll(cx);
                polled = catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|payload| {
                    drop_payload(payload);
                    Poll::Ready(())
                });
            });
            if polled.is_ready() {
                contain(move || drop(finalizer));
                self.end_finalizer();
                continue;
            }
            // It goes on before those that it has added.
            let mut state = self.queue.lock();
            state.rare().finalizers.push(finalizer);
            return Ending::Finalizer;
        }
    }

    /// Makes the shield under which a finalizer runs. The first one begins to count their time.
    fn start_finalizer(self: &Arc<Self>) -> Arc<Self> {
        let mut shield = Self::new(
            Kind::Finalizer,
            None,
            None,
            self.site(),
            self.policy(),
            self.chain().clone(),
        );
        self.adopt(&mut shield, true);
        shield.bind_part(self.task());
        self.queue.lock().rare().finalizer_shield = Some(shield.clone());
        self.set_finalizer_limit(self.policy().finalizer_limit());
        shield
    }

    /// As [`poll_end`](Self::poll_end), for whoever is not woken as the task is.
    pub(crate) fn poll_end_watching(
        self: &Arc<Self>,
        mut watcher: Pin<&mut Watcher<'_>>,
        cx: &mut Context<'_>,
        inside: impl Fn(&Arc<Self>, &mut dyn FnMut()),
    ) -> Poll<()> {
        loop {
            let watcher = watcher.as_mut();
            match self.poll_end(cx, &inside) {
                Ending::Over => return Poll::Ready(()),
                Ending::Below => ready!(self.poll_childless(watcher, cx)),
                Ending::Finalizer => ready!(self.poll_finalizers_over(watcher, cx)),
            }
        }
    }

    /// The finalizer under way is over, or is not run any further: what was kept out comes to those that it has started.
    pub(crate) fn end_finalizer(&self) {
        let mut state = self.queue.lock();
        let shield = state
            .rare
            .as_mut()
            .and_then(|rare| rare.finalizer_shield.take());
        drop(state);
        if let Some(shield) = shield {
            shield.end_shield();
        }
    }

    /// Runs the finish callbacks. The outcome is fixed, and nobody who waits for it has been woken. Whoever comes later runs a callback
    /// himself.
    pub(crate) fn run_finish_callbacks(&self) {
        loop {
            let mut state = self.queue.lock();
            let callbacks = match &mut state.rare {
                Some(rare) => std::mem::take(&mut rare.finish_callbacks),
                None => Vec::new(),
            };
            state.is_finishing = callbacks.is_empty();
            drop(state);
            if callbacks.is_empty() {
                return;
            }
            for callback in callbacks {
                contain(callback);
            }
        }
    }

    /// The task is done, and about to be retired: nobody reaches it from here any more.
    pub(crate) fn close(&self) {
        let mut state = self.queue.lock();
        self.word.end();
        let member = std::mem::replace(&mut state.member, Member::Nobody);
        let watchers = Watchers::take(&mut state);
        let callbacks = match &mut state.rare {
            Some(rare) => std::mem::take(&mut rare.finish_callbacks),
            None => Vec::new(),
        };
        let parent = state.parent.take();
        drop(state);
        // Those that came after the others had run.
        for callback in callbacks {
            contain(callback);
        }
        watchers.wake();
        drop(member);
        Self::leave(parent);
    }

    /// The task ends without anybody to work on it: what is below is stopped and left to itself, finalizers are dropped.
    pub(crate) fn abandon(self: &Arc<Self>) {
        if !self.read().is_body_done() {
            self.end_body(true);
        }
        self.leave_children();
        self.end_finalizer();
        for finalizer in self.take_finalizers() {
            contain(move || drop(finalizer));
        }
        self.run_finish_callbacks();
    }

    /// Ends a scope whose body is over, if nothing is alive below. Later children are born stopped.
    pub(crate) fn try_end_scope(&self) -> bool {
        let state = self.queue.lock();
        if state.live > 0 {
            return false;
        }
        self.end_scope(state);
        true
    }

    /// Ends a scope that is not polled any more. What is alive below is stopped, and waited for by the task.
    pub(crate) fn abandon_scope(self: &Arc<Self>, reason: StopReason) {
        let state = self.queue.lock();
        self.end_scope(state);
        self.stop(reason);
    }

    fn end_scope(&self, mut state: Guard<'_, State>) {
        self.word.end_body();
        let change = if state.live == 0 {
            self.end_part(&mut state)
        } else {
            None
        };
        let watchers = Watchers::take(&mut state);
        let sink = state.sink.take();
        drop(state);
        drop(sink);
        watchers.wake();
        Self::go_up(change);
    }
}
