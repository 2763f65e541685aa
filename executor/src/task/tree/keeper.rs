#![expect(
    unsafe_code,
    reason = "whether a task is being polled is asked of the task, under the lock that keeps it alive"
)]
//! What happens to a node by itself, and who looks after it.
//!
//! A node with an alarm has one *keeper*: a future of the runtime that sleeps until the next alarm, and is woken when an earlier one is
//! set or the node is done. So a stop starts at most one timer, whatever it reaches.

use super::alarms::Alarm;
use super::cascade::Ask;
use super::node::{Kind, Member, Node, State, Watchers};
use super::word::Seen;
use crate::policy::Grace;
use crate::task::event::StopEvent;
use lenio_sync::stop::{StopKind, StopReason};
use lenio_sync::wait::{Guard, Waiter};
use lenio_time::{Instant, sleep_until};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Who waits for a node to change.
pub(crate) type Watcher<'n> = Waiter<'n, State>;

impl Node {
    /// Sets the cancel and the report in motion that follow a stop.
    pub(crate) fn start_grace(self: &Arc<Self>, grace: Grace) {
        if let Some(home) = self.home() {
            let now = home.now();
            self.queue.lock().rare().stopped_at.get_or_insert(now);
        }
        let alarms = [(Alarm::Soft, grace.soft), (Alarm::Hard, grace.hard)];
        self.set_alarms(alarms.into_iter());
    }

    /// Stops the node after that time, with the kind [`Deadline`](StopKind::Deadline).
    pub(crate) fn set_deadline(self: &Arc<Self>, after: Duration) {
        self.set_alarms([(Alarm::Deadline, Some(after))].into_iter());
    }

    pub(super) fn set_finalizer_limit(self: &Arc<Self>, limit: Option<Duration>) {
        self.set_alarms([(Alarm::Finalizers, limit)].into_iter());
    }

    /// Ends a hard shield after that time.
    pub(crate) fn set_hold_limit(self: &Arc<Self>, limit: Duration) {
        self.set_alarms([(Alarm::Hold, Some(limit))].into_iter());
    }

    /// Shortens the time until the cancel to nothing, if there is to be one.
    pub(super) fn cut_grace(self: &Arc<Self>) {
        let grace = self.policy().grace;
        if grace.soft.is_some() {
            self.set_alarms([(Alarm::Soft, Some(Duration::ZERO))].into_iter());
        }
    }

    fn set_alarms(self: &Arc<Self>, alarms: impl Iterator<Item = (Alarm, Option<Duration>)>) {
        // Without a runtime there is no clock: the stop is left at that.
        let Some(home) = self.home() else { return };
        let now = home.now();
        let mut state = self.queue.lock();
        if self.read().is_done() {
            return;
        }
        let kept = &mut state.rare().alarms;
        let mut has_changed = false;
        for (alarm, after) in alarms {
            if let Some(at) = after.and_then(|after| now.checked_add(after)) {
                has_changed |= kept.set(alarm, at);
            }
        }
        let needs_keeper = has_changed && !std::mem::replace(&mut kept.is_kept, true);
        if !has_changed {
            return;
        }
        let watchers = Watchers::take(&mut state);
        drop(state);
        watchers.wake();
        if needs_keeper {
            home.run(Box::pin(keep(self.clone())));
        }
    }

    /// For the keeper: when the next alarm is. `None`: there is none, and the keeper goes.
    fn next_alarm(&self) -> Option<Instant> {
        let mut state = self.queue.lock();
        let is_done = self.read().is_done();
        let alarms = &mut state.rare().alarms;
        let next = alarms.next().filter(|_| !is_done);
        if next.is_none() {
            alarms.is_kept = false;
        }
        next
    }

    /// For the keeper: waits until the next alarm is another one than `at`.
    fn poll_alarm_changed(
        &self,
        at: Instant,
        watcher: Pin<&mut Watcher<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        watcher.poll(0, cx, |state, _| {
            let next = state.rare.as_ref().and_then(|rare| rare.alarms.next());
            (self.read().is_done() || next != Some(at)).then_some(())
        })
    }

    pub(crate) fn watcher(&self) -> Watcher<'_> {
        Waiter::new(&self.queue)
    }

    /// Waits until the word says what `is_so` looks for.
    pub(crate) async fn wait_until(&self, is_so: impl Fn(Seen) -> bool) {
        let mut watcher = pin!(self.watcher());
        poll_fn(|cx| {
            let watcher = watcher.as_mut();
            watcher.poll(0, cx, |_, _| is_so(self.read()).then_some(()))
        })
        .await;
    }

    /// Waits until nothing is alive below.
    pub(crate) fn poll_childless(
        &self,
        watcher: Pin<&mut Watcher<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        watcher.poll(0, cx, |state, _| (state.live == 0).then_some(()))
    }

    /// Waits until finalizers have had their time.
    pub(super) fn poll_finalizers_over(
        &self,
        watcher: Pin<&mut Watcher<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        watcher.poll(0, cx, |state, _| {
            let rare = state.rare.as_ref();
            rare.is_some_and(|rare| rare.finalizers_over).then_some(())
        })
    }

    /// A stop is delivered to whoever waits here. Returns why, and notes that it was told once more.
    pub(crate) fn deliver(self: &Arc<Self>) -> Option<StopReason> {
        let mut state = self.queue.lock();
        let reason = state.reason.clone()?;
        let limit = state.policy.ignored_stops;
        let rare = state.rare();
        rare.deliveries = rare.deliveries.saturating_add(1);
        let deliveries = rare.deliveries;
        drop(state);
        if limit == Some(deliveries) {
            self.report(|node| StopEvent::Ignored {
                task: node.task().map_or_else(|| node.info(), |task| task.info()),
                reason: reason.clone(),
                deliveries,
            });
            if let Some(task) = self.task() {
                task.cut_grace();
            }
        }
        Some(reason)
    }

    /// For the keeper: does what is due.
    fn ring(self: &Arc<Self>, now: Instant) {
        loop {
            let mut state = self.queue.lock();
            let due = state.rare().alarms.take_due(now);
            drop(state);
            match due {
                None => return,
                Some(Alarm::Deadline) => {
                    self.stop(self.own_reason(StopKind::Deadline));
                }
                Some(Alarm::Soft) => self.end_grace(),
                Some(Alarm::Hard) => self.report_stuck(now),
                Some(Alarm::Finalizers) => self.cut_finalizers(),
                Some(Alarm::Hold) => self.open_shield(),
            }
        }
    }

    fn end_grace(self: &Arc<Self>) {
        let Some(reason) = self.reason() else { return };
        if self.read().is_done() {
            return;
        }
        self.report(|node| StopEvent::GraceOver {
            task: node.info(),
            reason: reason.clone(),
        });
        self.ask(reason, Ask::Cancel { is_expired: true });
    }

    /// Finalizers have had their time: what is left of them is dropped, and what they have started is cancelled.
    pub(crate) fn cut_finalizers(self: &Arc<Self>) {
        let mut state = self.queue.lock();
        state.rare().finalizers_over = true;
        let watchers = Watchers::take(&mut state);
        let woken = state.wake_member();
        drop(state);
        // For what they have started: it comes to them when the finalizer under way is dropped.
        let reason = self.own_reason(StopKind::ParentFinished);
        self.ask_below(reason, Ask::Cancel { is_expired: true });
        watchers.wake();
        woken.go();
        self.report(|node| StopEvent::FinalizersCut { task: node.info() });
    }

    pub(super) fn report(self: &Arc<Self>, event: impl FnOnce(&Arc<Self>) -> StopEvent) {
        if let Some(home) = self.home() {
            home.report(&event(self));
        }
    }

    /// Reports every task here and below that is inside of a poll.
    fn report_stuck(self: &Arc<Self>, now: Instant) {
        let stopped_at = self.queue.lock().rare().stopped_at.unwrap_or(now);
        let stopped_for = now.duration_since(stopped_at);
        let mut left = vec![self.clone()];
        while let Some(node) = left.pop() {
            let state = node.queue.lock();
            let begin = left.len();
            left.extend(
                state
                    .children
                    .after(None)
                    .map(|(_, child)| child.node.clone()),
            );
            left[begin..].reverse();
            let is_running = node.is_running(&state);
            let reason = state.reason.clone();
            drop(state);
            let Some(reason) = reason.filter(|_| is_running) else {
                continue;
            };
            node.report(|node| StopEvent::Stuck {
                task: node.info(),
                reason,
                stopped_for,
            });
        }
    }

    /// Whether this is a task that is being polled at this moment.
    pub(super) fn is_running(&self, state: &Guard<'_, State>) -> bool {
        match &state.member {
            // SAFETY: the task is alive while it stands here.
            Member::Task(task) => unsafe { task.as_ref() }.state.is_running(),
            _ => false,
        }
    }

    /// Ends a shield: its task does not poll it any more. What it kept out comes in.
    pub(crate) fn end_shield(self: &Arc<Self>) {
        debug_assert!(!matches!(self.kind(), Kind::Task | Kind::Scope));
        let mut state = self.queue.lock();
        if self.word.end_body().is_body_done() {
            return;
        }
        let watchers = Watchers::take(&mut state);
        let kept_out = state.kept_out();
        let holds = self.kind() == Kind::HardShield && !state.rare().is_open;
        let task = state.part_of().filter(|_| holds);
        let change = if state.live == 0 {
            self.end_part(&mut state)
        } else {
            None
        };
        drop(state);
        watchers.wake();
        self.let_in(kept_out);
        Self::go_up(change);
        if let Some(task) = task {
            task.release();
        }
    }

    fn let_in(self: &Arc<Self>, kept_out: Option<(StopReason, bool)>) {
        match kept_out {
            None => {}
            Some((reason, true)) => {
                self.cancel(reason);
            }
            Some((reason, false)) => {
                self.stop(reason);
            }
        }
    }

    /// The time of a hard shield is over, but not its future: it keeps its place, and keeps nothing out any more.
    fn open_shield(self: &Arc<Self>) {
        let mut state = self.queue.lock();
        if self.read().is_body_done() {
            return;
        }
        state.rare().is_open = true;
        let kept_out = state.kept_out();
        let task = state.part_of();
        drop(state);
        self.let_in(kept_out);
        if let Some(task) = task {
            task.release();
        }
    }

    /// A hard shield keeps a cancel from this task from now on.
    pub(crate) fn hold(&self) {
        self.queue.lock().holds += 1;
    }

    fn release(&self) {
        let mut state = self.queue.lock();
        state.holds -= 1;
        let is_due = state.holds == 0 && self.read().is_cancelled();
        let woken = is_due.then(|| state.wake_member());
        drop(state);
        if let Some(woken) = woken {
            woken.go();
        }
    }
}

/// The keeper of a node.
async fn keep(node: Arc<Node>) {
    while let Some(at) = node.next_alarm() {
        let mut sleep = pin!(sleep_until(at));
        let mut watcher = pin!(node.watcher());
        let is_due = poll_fn(|cx| {
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            node.poll_alarm_changed(at, watcher.as_mut(), cx)
                .map(|()| false)
        });
        if is_due.await {
            node.ring(at);
        }
    }
}
