//! Loom models of the task tree. Each name is a claim.

use super::JoinHandle;
use super::models::Scheduler;
use super::tree::{Kind, Node};
use crate::context::chain::Chain;
use crate::policy::StopPolicy;
use lenio_sync::primitive::atomic::{AtomicUsize, Ordering};
use lenio_sync::primitive::thread;
use lenio_sync::stop::{StopKind, StopReason};
use std::future::{pending, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

fn scope_node() -> Arc<Node> {
    Node::new(
        Kind::Scope,
        None,
        None,
        Location::caller(),
        StopPolicy::native(),
        Chain::empty(),
    )
}

fn requested() -> StopReason {
    StopReason::new(StopKind::Requested)
}

fn node_of<T>(handle: &JoinHandle<T>) -> Arc<Node> {
    Arc::clone(&handle.node_or_new().unwrap())
}

/// A body that is over when its node is stopped; it knows the node by `slot`.
async fn until_stopped(slot: Arc<std::sync::OnceLock<Arc<Node>>>) {
    poll_fn(|_| match slot.get() {
        Some(node) if node.read().is_requested() => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
}

#[test]
fn loom_ci_g04_a_child_that_is_born_during_a_stop_is_stopped() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let parent = scope_node();
        let stopping = {
            let parent = parent.clone();
            thread::spawn(move || parent.stop(requested()))
        };
        let child = scheduler.spawn_below(&parent, pending::<()>());
        assert!(stopping.join().unwrap());
        assert!(
            child.is_stopped(),
            "when the stop has returned no child lacks the flag"
        );
        scheduler.run();
        // It was never polled, or has been polled and waits: both are fine for a future that does not look.
        parent.cancel(requested());
        scheduler.run();
        assert!(child.is_finished());
        assert!(parent.try_end_scope());
    });
}

#[test]
fn loom_ci_g02_of_two_stops_one_gives_the_reason() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let parent = scope_node();
        let child = scheduler.spawn_below(&parent, pending::<()>());
        let mine = requested();
        let other = requested();
        let stopping = {
            let (parent, other) = (parent.clone(), other.clone());
            thread::spawn(move || parent.stop(other))
        };
        let was_first = parent.stop(mine.clone());
        assert_ne!(was_first, stopping.join().unwrap());
        let winner = if was_first { mine } else { other };
        assert!(parent.reason().unwrap().is_same_as(&winner));
        // The one that lost may have returned while the other was on its way; now both are over.
        assert!(child.stop_reason().unwrap().is_same_as(&winner));
        scheduler.run();
        assert!(child.is_finished(), "it was stopped before its first poll");
    });
}

#[test]
fn loom_ci_g07_a_stop_during_a_poll_is_not_missed() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let slot = Arc::new(std::sync::OnceLock::new());
        let mut task = scheduler.spawn(until_stopped(slot.clone()));
        let node = node_of(&task);
        assert!(slot.set(node.clone()).is_ok());
        scheduler.run();
        let polling = {
            let (scheduler, node) = (scheduler.clone(), node.clone());
            thread::spawn(move || {
                node.wake();
                scheduler.run();
            })
        };
        node.stop(requested());
        polling.join().unwrap();
        scheduler.run();
        assert!(task.take_outcome().unwrap().is_ok(), "it saw the stop");
    });
}

#[test]
fn loom_ci_g01_the_first_node_of_a_task_against_its_end() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let task = scheduler.spawn(async { 1 });
        let running = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run())
        };
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        task.on_finish(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        if task.is_finished() {
            let ran = ran.load(Ordering::Relaxed);
            assert_eq!(ran, 1, "who sees the end sees what the callback did");
        }
        let node = node_of(&task);
        node.stop(requested());
        running.join().unwrap();
        scheduler.run();
        assert!(task.is_finished());
        assert!(node.read().is_done(), "the task has closed its node");
        assert!(node.points_to_nobody(), "the task may be freed now");
        assert_eq!(
            ran.load(Ordering::Relaxed),
            1,
            "the callback ran exactly once"
        );
    });
}

#[test]
fn loom_ci_g01_two_makers_of_the_first_node_and_a_stop_that_wakes() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let task = Arc::new(scheduler.spawn(pending::<()>()));
        scheduler.run();
        let stopping = {
            let task = task.clone();
            thread::spawn(move || node_of(&task).cancel(requested()))
        };
        let node = node_of(&task);
        stopping.join().unwrap();
        assert!(Arc::ptr_eq(&node, &node_of(&task)));
        scheduler.run();
        assert!(
            task.is_finished(),
            "whoever bound the node has woken the task"
        );
    });
}

#[test]
fn loom_ci_g09_the_last_child_and_the_body_end_at_once() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let parent = scheduler.spawn(async { 1 });
        let node = node_of(&parent);
        let child = scheduler.spawn_below(&node, async { 2 });
        let running = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run())
        };
        scheduler.run();
        running.join().unwrap();
        scheduler.run();
        assert!(child.is_finished());
        assert!(
            parent.is_finished(),
            "the last child woke it, or it saw that there was none"
        );
        assert!(node.read().is_done());
    });
}

#[test]
fn loom_ci_g11_a_cancel_drops_children_before_their_parent() {
    loom::model(|| {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        struct Witness(&'static str, Arc<std::sync::Mutex<Vec<&'static str>>>);
        impl Drop for Witness {
            fn drop(&mut self) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        let scheduler = Scheduler::new();
        let witness = Witness("parent", order.clone());
        let parent = scheduler.spawn(async move {
            let _witness = witness;
            pending::<()>().await;
        });
        let node = node_of(&parent);
        let witness = Witness("child", order.clone());
        let child = scheduler.spawn_below(&node, async move {
            let _witness = witness;
            pending::<()>().await;
        });
        scheduler.run();
        let cancelling = {
            let node = node.clone();
            thread::spawn(move || node.cancel(requested()))
        };
        // Also a parent that is woken for another reason waits for its child.
        node.wake();
        scheduler.run();
        cancelling.join().unwrap();
        scheduler.run();
        assert!(child.is_finished() && parent.is_finished());
        assert_eq!(*order.lock().unwrap(), ["child", "parent"]);
    });
}

#[test]
fn loom_ci_scope_a_late_child_is_waited_for_or_born_stopped() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let scope = scope_node();
        let ending = {
            let scope = scope.clone();
            thread::spawn(move || scope.try_end_scope())
        };
        let child = scheduler.spawn_below(&scope, pending::<()>());
        let has_ended = ending.join().unwrap();
        assert_eq!(child.is_stopped(), has_ended);
        scope.cancel(requested());
        scheduler.run();
        assert!(has_ended || child.is_finished());
        assert!(scope.try_end_scope() || has_ended);
        if !child.is_finished() {
            child.cancel();
            scheduler.run();
        }
        assert!(child.is_finished());
    });
}

#[test]
fn loom_ci_g10_callbacks_that_come_in_the_last_poll_run_before_the_end_is_seen() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let own = Arc::new(std::sync::OnceLock::<Arc<JoinHandle<()>>>::new());
        let ran = Arc::new(AtomicUsize::new(0));
        let (slot, count) = (own.clone(), ran.clone());
        let task = Arc::new(scheduler.spawn(async move {
            slot.get().unwrap().on_finish(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }));
        assert!(own.set(task.clone()).is_ok());
        let running = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run())
        };
        if task.is_finished() {
            assert_eq!(ran.load(Ordering::Relaxed), 1);
        }
        running.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}
