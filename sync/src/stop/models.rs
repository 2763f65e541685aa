//! What the stop tree promises, under every interleaving that loom knows.

use super::{Callback, StopKind, StopReason, StopSource};
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::primitive::{Mutex, thread};
use crate::wait::block_on;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

fn reason() -> StopReason {
    StopReason::new(StopKind::Requested)
}

/// The one reason of all these sources.
fn common_reason(sources: &[&StopSource]) -> StopReason {
    let mut reasons = sources
        .iter()
        .map(|source| source.reason().expect("stopped"));
    let first = reasons.next().expect("at least one");
    assert!(
        reasons.all(|reason| reason.is_same_as(&first)),
        "one reason everywhere"
    );
    first
}

#[test]
fn loom_ci_g4_r26_a_child_made_during_the_stop_is_stopped_when_both_are_over() {
    loom::model(|| {
        let source = StopSource::new();
        let other = source.clone();
        let t = thread::spawn(move || other.stop(reason()));
        let child = source.child();
        assert!(t.join().unwrap());
        common_reason(&[&source, &child]);
    });
}

#[test]
fn loom_ci_g4_a_grandchild_made_during_the_stop_is_stopped_when_both_are_over() {
    loom::model(|| {
        let source = StopSource::new();
        let child = source.child();
        let other = source.clone();
        let t = thread::spawn(move || other.stop(reason()));
        let grandchild = child.child();
        assert!(t.join().unwrap());
        common_reason(&[&source, &child, &grandchild]);
    });
}

#[test]
fn loom_ci_r26_children_that_go_during_the_stop_take_nobody_with_them() {
    loom::model(|| {
        let source = StopSource::new();
        let middle = source.child();
        let goes = middle.child();
        let stays = middle.child();
        drop(middle);
        let t = thread::spawn(move || drop(goes));
        assert!(source.stop(reason()));
        t.join().unwrap();
        common_reason(&[&source, &stays]);
    });
}

#[test]
fn loom_ci_r26_two_children_go_at_once_and_leave_an_empty_list() {
    loom::model(|| {
        let source = StopSource::new();
        let (first, second) = (source.child().child(), source.child());
        let t = thread::spawn(move || drop(first));
        drop(second);
        t.join().unwrap();
        assert_eq!(source.live_children(), 0);
    });
}

#[test]
fn loom_ci_g2_of_two_stops_one_is_first_and_its_reason_is_everywhere() {
    loom::model(|| {
        let source = StopSource::new();
        let child = source.child();
        let (mine, others) = (reason(), reason());
        let (other, copy) = (source.clone(), others.clone());
        let t = thread::spawn(move || other.stop(copy));
        let is_mine = source.stop(mine.clone());
        assert_ne!(is_mine, t.join().unwrap(), "one of them is first");
        let seen = common_reason(&[&source, &child]);
        assert!(seen.is_same_as(if is_mine { &mine } else { &others }));
    });
}

#[test]
fn loom_ci_g2_a_subtree_that_is_stopped_alone_has_one_reason_too() {
    loom::model(|| {
        let source = StopSource::new();
        let child = source.child();
        let grandchild = child.child();
        let own = reason();
        let (other, copy) = (child.clone(), own.clone());
        let t = thread::spawn(move || other.stop(copy));
        source.stop(reason());
        let is_own = t.join().unwrap();
        let seen = common_reason(&[&child, &grandchild]);
        assert_eq!(seen.is_same_as(&own), is_own);
        assert_ne!(common_reason(&[&source]).is_same_as(&own), true);
    });
}

#[test]
fn loom_ci_g5_who_sees_a_child_stopped_sees_its_parent_stopped() {
    loom::model(|| {
        let source = StopSource::new();
        let child = source.child();
        let (parent_token, child_token) = (source.token(), child.token());
        let t = thread::spawn(move || {
            if child_token.is_stopped() {
                assert!(parent_token.is_stopped());
            }
        });
        source.stop(reason());
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_a_stop_publishes_what_was_written_before() {
    loom::model(|| {
        let source = StopSource::new();
        let token = source.token();
        let data = Arc::new(AtomicBool::new(false));
        let seen = data.clone();
        let t = thread::spawn(move || {
            if token.is_stopped() {
                // ORDERING: Relaxed: published by the stop, which is what this model shows.
                assert!(seen.load(Ordering::Relaxed));
            }
        });
        // ORDERING: as above.
        data.store(true, Ordering::Relaxed);
        source.stop(reason());
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_a_wait_that_begins_during_the_stop_ends() {
    loom::model(|| {
        let source = StopSource::new();
        let (token, other) = (source.token(), source.token());
        let t = thread::spawn(move || token.stopped_blocking());
        let owned = thread::spawn(move || block_on(other.stopped_owned()));
        let given = reason();
        source.stop(given.clone());
        assert!(t.join().unwrap().is_same_as(&given));
        assert!(owned.join().unwrap().is_same_as(&given));
    });
}

#[test]
fn loom_ci_a_wait_that_is_polled_again_without_the_lock_ends() {
    loom::model(|| {
        let source = StopSource::new();
        let token = source.token();
        let t = thread::spawn(move || {
            let mut stopped = pin!(token.stopped());
            block_on(poll_fn(|cx| match stopped.as_mut().poll(cx) {
                Poll::Ready(reason) => Poll::Ready(reason),
                // The second look finds itself listed, and takes no lock.
                Poll::Pending => stopped.as_mut().poll(cx),
            }));
        });
        source.stop(reason());
        t.join().unwrap();
    });
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        // ORDERING: Release pairs with the Acquire below.
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn loom_ci_a_wait_that_is_given_up_during_the_stop_costs_the_others_nothing() {
    loom::model(|| {
        let source = StopSource::new();
        let token = source.token();
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let mut given_up = Box::pin(token.stopped());
        let mut kept = Box::pin(token.stopped());
        for wait in [&mut given_up, &mut kept] {
            assert!(
                wait.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let other = source.clone();
        let t = thread::spawn(move || other.stop(reason()));
        drop(given_up);
        t.join().unwrap();
        // ORDERING: Acquire pairs with the Release above.
        assert!(flag.0.load(Ordering::Acquire), "the other was woken");
        assert!(
            kept.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        );
    });
}

/// Counts the beginnings and the ends of a callback. Nothing is published by them: what the models look at is the numbers.
#[derive(Default)]
struct Runs {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Runs {
    fn run(&self) {
        // ORDERING: Relaxed: see the type.
        self.begun.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
        // ORDERING: as above.
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn seen(&self) -> (usize, usize) {
        // ORDERING: as above.
        let begun = self.begun.load(Ordering::Relaxed);
        // ORDERING: as above.
        (begun, self.ended.load(Ordering::Relaxed))
    }
}

#[test]
fn loom_ci_a_callback_runs_or_is_removed_and_is_over_after_the_wait() {
    loom::model(|| {
        let source = StopSource::new();
        let runs = Arc::new(Runs::default());
        let counted = runs.clone();
        let callback = source.token().on_stop(move || counted.run());
        let other = source.clone();
        let t = thread::spawn(move || other.stop(reason()));
        let is_removed = callback.remove_and_wait();
        let expected = usize::from(!is_removed);
        assert_eq!(runs.seen(), (expected, expected), "over, or never");
        t.join().unwrap();
        assert_eq!(runs.seen(), (expected, expected), "and so it stays");
    });
}

#[test]
fn loom_ci_a_callback_registered_during_the_stop_runs_once() {
    loom::model(|| {
        let source = StopSource::new();
        let runs = Arc::new(Runs::default());
        let counted = runs.clone();
        let other = source.clone();
        let t = thread::spawn(move || other.stop(reason()));
        let callback = source.token().on_stop(move || counted.run());
        t.join().unwrap();
        assert_eq!(runs.seen(), (1, 1));
        assert!(!callback.remove());
    });
}

#[test]
fn loom_ci_callbacks_that_wait_for_each_other_do_not_deadlock() {
    loom::model(|| {
        let sources = [StopSource::new(), StopSource::new()];
        let places = Arc::new([Mutex::new(None), Mutex::new(None)]);
        for (number, source) in sources.iter().enumerate() {
            let others = places.clone();
            let callback = source.token().on_stop(move || {
                let registration = others[1 - number].lock().take();
                registration.map(Callback::remove_and_wait);
            });
            *places[number].lock() = Some(callback);
        }
        let [first, second] = sources;
        let t = thread::spawn(move || first.stop(reason()));
        second.stop(reason());
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_r26_a_value_that_was_there_before_the_stop_is_not_lost() {
    loom::model(|| {
        let source = StopSource::new();
        let token = source.token();
        let value = Arc::new(AtomicBool::new(false));
        let given = value.clone();
        // ORDERING: Relaxed: published by the stop.
        let is_there = || given.load(Ordering::Relaxed);
        let future = poll_fn(|_| {
            if is_there() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut run = pin!(token.run_until_stopped(future));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            run.as_mut().poll(&mut cx).is_pending(),
            "in flight from here on"
        );
        let t = thread::spawn(move || {
            // ORDERING: Relaxed: published by the stop.
            value.store(true, Ordering::Relaxed);
            source.stop(reason());
        });
        assert!(block_on(run).is_ok());
        t.join().unwrap();
    });
}
