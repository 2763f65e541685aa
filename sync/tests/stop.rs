#![expect(
    unsafe_code,
    reason = "a waker whose clone panics can only be made by hand"
)]
//! The stop tree from outside: order, size, hostile wakers and callbacks, races between threads.

mod harness;

use harness::leak::forget;
use lenio_sync::budget;
use lenio_sync::stop::{
    Callback, RunUntilStopped, StopKind, StopOnDrop, StopReason, StopSource, StopToken, Stopped,
    StoppedFuture, StoppedOwned,
};
use lenio_sync::wait::{block_on, observe};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

fn reason() -> StopReason {
    StopReason::new(StopKind::Requested)
}

/// A waker that does what it is told.
struct Does<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(wake: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(wake)))
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: &str) -> impl Fn() + Send + Sync + 'static {
    let (log, what) = (log.clone(), what.to_owned());
    move || log.lock().unwrap().push(what.clone())
}

#[test]
fn g2_first_reason_wins() {
    let source = StopSource::new();
    let child = source.child();
    let first = reason().with_message("first");
    assert!(child.stop(first.clone()));
    let second = StopReason::new(StopKind::Shutdown);
    assert!(source.stop(second.clone()));
    assert!(!child.stop(second.clone()));
    assert!(child.reason().unwrap().is_same_as(&first));
    assert!(source.reason().unwrap().is_same_as(&second));
    assert!(source.child().reason().unwrap().is_same_as(&second));
    let location = first.location();
    assert_eq!(child.reason().unwrap().location(), location);
    assert!(location.file().ends_with("stop.rs"));
}

#[test]
fn g2_of_many_threads_that_stop_one_is_first() {
    for _ in 0..200 {
        let source = StopSource::new();
        let child = source.child();
        let start = Arc::new(Barrier::new(2));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (source, start) = (source.clone(), start.clone());
                thread::spawn(move || {
                    let reason = reason();
                    start.wait();
                    source.stop(reason.clone()).then_some(reason)
                })
            })
            .collect();
        let first: Vec<StopReason> = threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(first.len(), 1);
        for source in [&source, &child] {
            assert!(source.reason().unwrap().is_same_as(&first[0]));
        }
    }
}

#[test]
fn g4_born_stopped() {
    let source = StopSource::new();
    let below = source.child();
    source.stop(reason());
    let expected = source.reason().unwrap();
    for child in [
        source.child(),
        below.child(),
        source.token().child(),
        source.child().child(),
    ] {
        assert!(child.is_stopped());
        assert!(child.reason().unwrap().is_same_as(&expected));
        assert!(!child.stop(reason()));
        let token = child.token();
        assert!(block_on(token.stopped()).is_same_as(&expected));
        let ran = Arc::new(AtomicBool::new(false));
        let seen = ran.clone();
        let callback = token.on_stop(move || seen.store(true, Ordering::Relaxed));
        assert!(ran.load(Ordering::Relaxed), "at once");
        assert!(!callback.remove());
    }
}

#[test]
fn g4_a_child_made_in_a_callback_is_born_stopped() {
    let source = StopSource::new();
    let (sender, receiver) = mpsc::channel();
    let token = source.token();
    let callback = source
        .token()
        .on_stop(move || sender.send(token.child()).unwrap());
    source.stop(reason());
    assert!(receiver.recv().unwrap().is_stopped());
    drop(callback);
}

#[test]
fn g4_no_child_escapes_a_stop_in_another_thread() {
    for _ in 0..500 {
        let source = StopSource::new();
        let start = Arc::new(Barrier::new(2));
        let (other, other_start) = (source.clone(), start.clone());
        let stopper = thread::spawn(move || {
            other_start.wait();
            other.stop(reason());
        });
        start.wait();
        let children: Vec<StopSource> = (0..20).map(|_| source.child().child()).collect();
        stopper.join().unwrap();
        assert!(children.iter().all(StopSource::is_stopped));
    }
}

#[test]
fn g5_cascade_order() {
    let log = Log::default();
    let root = StopSource::new();
    let a = root.child();
    let b = root.child();
    let aa = a.child();
    let ab = a.child();
    // Registered against the order of the tree on purpose.
    let named = [
        ("ab", &ab),
        ("b", &b),
        ("aa", &aa),
        ("root", &root),
        ("a", &a),
    ];
    let callbacks: Vec<Callback> = named
        .iter()
        .flat_map(|(name, source)| {
            ["1", "2"].map(|number| {
                source
                    .token()
                    .on_stop(note(&log, &format!("{name} callback {number}")))
            })
        })
        .collect();
    let tokens = named.map(|(name, source)| (name, source.token()));
    let mut waits = Vec::new();
    for (name, token) in &tokens {
        for number in ["1", "2"] {
            let mut wait = Box::pin(token.stopped());
            let waker = waker(note(&log, &format!("{name} waiter {number}")));
            assert!(poll_once(wait.as_mut(), &waker).is_pending());
            waits.push(wait);
        }
    }
    root.stop(reason());
    let expected: Vec<String> = ["root", "a", "aa", "ab", "b"]
        .iter()
        .flat_map(|name| {
            ["waiter 1", "waiter 2", "callback 1", "callback 2"]
                .map(|what| format!("{name} {what}"))
        })
        .collect();
    assert_eq!(*log.lock().unwrap(), expected);
    drop(callbacks);
}

#[test]
fn g5_a_callback_sees_its_own_node_stopped_and_those_below_not_yet() {
    let root = StopSource::new();
    let child = root.child();
    let (own, below) = (root.token(), child.token());
    let (sender, receiver) = mpsc::channel();
    let callback = root.token().on_stop(move || {
        sender.send((own.is_stopped(), below.is_stopped())).unwrap();
    });
    root.stop(reason());
    assert_eq!(receiver.recv().unwrap(), (true, false));
    assert!(child.is_stopped());
    drop(callback);
}

#[test]
fn a_stop_goes_down_and_neither_up_nor_aside() {
    let root = StopSource::new();
    let (left, right) = (root.child(), root.child());
    let below = left.child();
    left.stop(reason());
    assert!(below.is_stopped());
    assert!(!root.is_stopped());
    assert!(!right.is_stopped());
    assert!(!root.child().is_stopped());
}

#[test]
fn a_stop_passes_through_sources_that_were_dropped() {
    let root = StopSource::new();
    let token = root.child().child().child().token();
    drop(root.child().child());
    root.stop(reason());
    assert!(token.is_stopped());
}

#[test]
fn dropping_a_source_stops_nothing() {
    let source = StopSource::new();
    let token = source.token();
    drop(source);
    assert!(!token.is_stopped());
    assert!(token.check().is_ok());
}

const MANY: usize = 100_000;

/// A chain of `MANY` sources, the root first.
fn chain() -> Vec<StopSource> {
    let mut chain = vec![StopSource::new()];
    for _ in 1..MANY {
        let child = chain[chain.len() - 1].child();
        chain.push(child);
    }
    chain
}

#[test]
fn g5_a_deep_tree_is_stopped_and_dropped_without_recursion() {
    let sources = chain();
    assert!(sources[0].stop(reason()));
    assert!(sources.iter().all(StopSource::is_stopped));
    drop(sources);
}

#[test]
fn g5_a_deep_chain_that_only_its_ends_hold_goes_with_its_leaf() {
    let mut sources = chain();
    let leaf = sources.pop().unwrap();
    let root = sources.swap_remove(0);
    drop(sources);
    drop(leaf);
    let mut sources = chain();
    let leaf = sources.pop().unwrap().token();
    drop((sources, root));
    drop(leaf);
}

#[test]
fn g5_a_wide_tree_takes_linear_time() {
    for is_reversed in [false, true] {
        let root = StopSource::new();
        let mut children: Vec<StopSource> = (0..MANY).map(|_| root.child()).collect();
        if is_reversed {
            children.reverse();
        }
        children.truncate(MANY / 2);
        assert!(root.stop(reason()));
        assert!(children.iter().all(StopSource::is_stopped));
        drop(children);
        // And without a stop before: each takes itself off the list.
        let root = StopSource::new();
        let mut children: Vec<StopSource> = (0..MANY).map(|_| root.child()).collect();
        if is_reversed {
            children.reverse();
        }
        let middle = children.split_off(MANY / 3);
        drop(middle);
        drop(children);
    }
}

#[test]
fn many_callbacks_leave_in_any_order() {
    let source = StopSource::new();
    let count = Arc::new(AtomicUsize::new(0));
    let mut callbacks: Vec<Callback> = (0..MANY)
        .map(|_| {
            let count = count.clone();
            source.token().on_stop(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for callback in callbacks.split_off(MANY / 4).into_iter().step_by(2) {
        assert!(callback.remove());
    }
    source.stop(reason());
    assert_eq!(count.load(Ordering::Relaxed), MANY / 4);
    assert_eq!(Arc::strong_count(&count), 1, "what they held is gone");
}

#[test]
fn g5_sixteen_hostile_children_among_sixteen_good_ones() {
    let source = StopSource::new();
    let children: Vec<StopSource> = (0..32).map(|_| source.child()).collect();
    let log = Log::default();
    let tokens: Vec<StopToken> = children.iter().map(StopSource::token).collect();
    let mut keep = Vec::new();
    let mut waits = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        let log = note(&log, &format!("{number}"));
        let is_hostile = number % 2 == 0;
        if number % 4 < 2 {
            keep.push(token.on_stop(move || {
                log();
                if is_hostile {
                    std::panic::panic_any(number);
                }
            }));
        } else {
            let waker = waker(move || {
                log();
                if is_hostile {
                    std::panic::panic_any(number);
                }
            });
            let mut wait = Box::pin(token.stopped());
            assert!(poll_once(wait.as_mut(), &waker).is_pending());
            waits.push(wait);
        }
    }
    let payload = catch_unwind(AssertUnwindSafe(|| source.stop(reason()))).unwrap_err();
    assert_eq!(
        payload.downcast_ref(),
        Some(&0_usize),
        "the first panic is passed on"
    );
    let expected: Vec<String> = (0..32).map(|number| number.to_string()).collect();
    assert_eq!(*log.lock().unwrap(), expected);
    assert!(children.iter().all(StopSource::is_stopped));
    assert!(!source.stop(reason()));
}

#[test]
fn a_panic_costs_neither_the_callbacks_nor_the_waiters_of_the_same_node() {
    let source = StopSource::new();
    let log = Log::default();
    let token = source.token();
    let mut waits = Vec::new();
    for name in ["w1", "w2", "w3"] {
        let log = note(&log, name);
        let waker = waker(move || {
            log();
            assert_ne!(name, "w1", "hostile");
        });
        let mut wait = Box::pin(token.stopped());
        assert!(poll_once(wait.as_mut(), &waker).is_pending());
        waits.push(wait);
    }
    let keep: Vec<Callback> = ["c1", "c2", "c3"]
        .into_iter()
        .map(|name| {
            let log = note(&log, name);
            token.on_stop(move || {
                log();
                assert_ne!(name, "c2", "hostile");
            })
        })
        .collect();
    assert!(catch_unwind(AssertUnwindSafe(|| source.stop(reason()))).is_err());
    assert_eq!(*log.lock().unwrap(), ["w1", "w2", "w3", "c1", "c2", "c3"]);
    for mut wait in waits {
        assert!(poll_once(wait.as_mut(), Waker::noop()).is_ready());
    }
    // The place of the callback that panicked is not taken for running any more.
    drop(keep);
}

#[test]
fn a_stop_while_a_panic_unwinds_does_not_abort() {
    struct Stops(StopSource);
    impl Drop for Stops {
        fn drop(&mut self) {
            self.0.stop(reason());
        }
    }
    let source = StopSource::new();
    let child = source.child();
    let callback = source.token().on_stop(|| panic!("second"));
    let stops = Stops(source);
    let payload = catch_unwind(AssertUnwindSafe(move || {
        let _stops = stops;
        std::panic::panic_any("first");
    }))
    .unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"first"));
    assert!(child.is_stopped());
    drop(callback);
}

#[test]
fn a_guard_contains_the_panics_of_others() {
    let source = StopSource::new();
    let child = source.child();
    let callback = source.token().on_stop(|| panic!("hostile"));
    drop(source.guard());
    assert_eq!(child.reason().unwrap().kind(), StopKind::HandleDropped);
    drop(callback);
}

#[test]
fn a_guard_stops_by_a_panic_and_not_when_disarmed() {
    let source = StopSource::new();
    source.guard().disarm();
    assert!(!source.is_stopped());
    let line = line!() + 2;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = source.guard();
        panic!("on the way");
    }));
    assert!(panicked.is_err());
    let reason = source.reason().unwrap();
    assert_eq!(reason.kind(), StopKind::HandleDropped);
    assert_eq!(reason.location().line(), line);
}

#[test]
fn r42_a_callback_stops_its_parent_from_below() {
    let root = StopSource::new();
    let children: Vec<StopSource> = (0..10).map(|_| root.child()).collect();
    let log = Log::default();
    let keep: Vec<Callback> = children
        .iter()
        .enumerate()
        .map(|(number, child)| {
            let (log, root) = (note(&log, &format!("{number}")), root.clone());
            child.token().on_stop(move || {
                log();
                root.stop(StopReason::new(StopKind::SiblingFailed));
            })
        })
        .collect();
    assert!(children[3].stop(reason()));
    assert_eq!(root.reason().unwrap().kind(), StopKind::SiblingFailed);
    assert_eq!(children[3].reason().unwrap().kind(), StopKind::Requested);
    assert!(children.iter().all(StopSource::is_stopped));
    let expected: Vec<String> = [3, 0, 1, 2, 4, 5, 6, 7, 8, 9]
        .iter()
        .map(usize::to_string)
        .collect();
    assert_eq!(*log.lock().unwrap(), expected, "each once");
    drop(keep);
}

#[test]
fn a_callback_removes_its_own_registration_and_others() {
    let source = StopSource::new();
    let place: Arc<Mutex<Vec<Callback>>> = Arc::default();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let (others, ran) = (place.clone(), ran.clone());
        let callback = source.token().on_stop(move || {
            ran.fetch_add(1, Ordering::Relaxed);
            let all = std::mem::take(&mut *others.lock().unwrap());
            drop(all);
        });
        place.lock().unwrap().push(callback);
    }
    source.stop(reason());
    assert_eq!(
        ran.load(Ordering::Relaxed),
        1,
        "the first removed itself and the others"
    );
}

#[test]
fn a_callback_registers_another_which_runs_at_once() {
    let source = StopSource::new();
    let token = source.token();
    let (sender, receiver) = mpsc::channel();
    let callback = source.token().on_stop(move || {
        let inner = sender.clone();
        drop(token.on_stop(move || inner.send("inner").unwrap()));
        sender.send("outer").unwrap();
    });
    source.stop(reason());
    assert_eq!(Vec::from_iter(receiver.try_iter()), ["inner", "outer"]);
    drop(callback);
}

#[test]
fn r22_a_waker_enters_its_source_again_and_drops_the_last_handles() {
    let source = StopSource::new();
    let (token, waits) = (source.token(), source.token());
    let handles = Mutex::new(Some((source.child(), source.token(), source.clone())));
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let waker = waker(move || {
        assert!(token.is_stopped());
        assert!(token.child().is_stopped());
        drop(token.on_stop(|| ()));
        assert!(poll_once(pin!(token.stopped()), Waker::noop()).is_ready());
        if let Some((child, token, source)) = handles.lock().unwrap().take() {
            source.stop(reason());
            drop((child, token, source));
        }
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut wait = Box::pin(waits.stopped_owned());
    assert!(poll_once(wait.as_mut(), &waker).is_pending());
    drop((waker, waits));
    source.stop(reason());
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert!(poll_once(wait.as_mut(), Waker::noop()).is_ready());
}

#[test]
fn r22_a_waker_that_is_dropped_enters_its_source_again() {
    struct Enters(StopSource);
    impl Wake for Enters {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Enters {
        fn drop(&mut self) {
            drop(self.0.child());
            self.0.stop(reason());
        }
    }
    let source = StopSource::new();
    let token = source.token();
    let waker = Waker::from(Arc::new(Enters(source.clone())));
    let mut wait = Box::pin(token.stopped());
    assert!(poll_once(wait.as_mut(), &waker).is_pending());
    drop(waker);
    assert!(!source.is_stopped(), "the wait holds the waker");
    drop(wait);
    assert!(source.is_stopped());
}

#[test]
fn r23_a_waker_that_panics_when_cloned_leaves_the_wait_usable() {
    use std::task::{RawWaker, RawWakerVTable};
    thread_local! {
        static CLONES_LEFT: Cell<usize> = const { Cell::new(0) };
    }
    fn clone(_: *const ()) -> RawWaker {
        CLONES_LEFT.set(CLONES_LEFT.get().checked_sub(1).expect("no clones left"));
        RawWaker::new(std::ptr::null(), &TABLE)
    }
    fn nothing(_: *const ()) {}
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    // SAFETY: the waker has no data, and each function keeps the contract by doing nothing.
    let hostile = unsafe { Waker::new(std::ptr::null(), &TABLE) };

    for clones in 0..2 {
        let source = StopSource::new();
        let token = source.token();
        let mut wait = Box::pin(token.stopped());
        CLONES_LEFT.set(clones);
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(wait.as_mut(), &hostile)));
        assert!(polled.is_err(), "two clones are needed, {clones} were left");
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let good = waker(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert!(poll_once(wait.as_mut(), &good).is_pending());
        assert!(poll_once(wait.as_mut(), &good).is_pending());
        source.stop(reason());
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(poll_once(wait.as_mut(), &good).is_ready());
    }
}

#[test]
fn a_wait_wakes_the_waker_it_was_polled_with_last() {
    let source = StopSource::new();
    let token = source.token();
    let log = Log::default();
    let (first, second) = (waker(note(&log, "first")), waker(note(&log, "second")));
    let mut wait = pin!(token.stopped());
    for waker in [&first, &second, &second, &first, &second] {
        assert!(poll_once(wait.as_mut(), waker).is_pending());
    }
    source.stop(reason());
    assert_eq!(*log.lock().unwrap(), ["second"]);
}

#[test]
fn r27_no_waker_is_left_behind() {
    let token_of = |source: &StopSource| source.token();
    let source = StopSource::new();
    let token = token_of(&source);
    let inner = Arc::new(Does(|| ()));
    let waker = Waker::from(inner.clone());
    let mut dropped = Box::pin(token.stopped());
    let mut finished = Box::pin(token.stopped());
    let mut run = Box::pin(token.run_until_stopped(pending::<()>()));
    assert!(poll_once(dropped.as_mut(), &waker).is_pending());
    assert!(poll_once(finished.as_mut(), &waker).is_pending());
    assert!(poll_once(run.as_mut(), &waker).is_pending());
    drop(dropped);
    source.stop(reason());
    assert!(poll_once(finished.as_mut(), &waker).is_ready());
    assert!(poll_once(run.as_mut(), &waker).is_ready());
    drop(waker);
    assert_eq!(Arc::strong_count(&inner), 1, "finished futures hold none");
    drop((finished, run));
}

#[test]
fn r22_what_a_removed_callback_holds_may_enter_the_source_when_it_is_dropped() {
    struct Enters(StopSource, Arc<AtomicBool>);
    impl Drop for Enters {
        fn drop(&mut self) {
            drop(self.0.child());
            self.0.stop(reason());
            self.1.store(true, Ordering::Relaxed);
        }
    }
    let source = StopSource::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let held = Enters(source.clone(), dropped.clone());
    let callback = source.token().on_stop(move || drop(held));
    assert!(callback.remove());
    assert!(dropped.load(Ordering::Relaxed));
    assert!(source.is_stopped());
}

#[test]
fn a_removal_that_waits_returns_after_the_callback_has_returned_in_another_thread() {
    for _ in 0..50 {
        let source = StopSource::new();
        let ended = Arc::new(AtomicBool::new(false));
        let (begin, begun) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let end = ended.clone();
        let callback = source.token().on_stop(move || {
            begin.send(()).unwrap();
            gone.recv().unwrap();
            end.store(true, Ordering::Relaxed);
        });
        let stopper = thread::spawn(move || source.stop(reason()));
        begun.recv().unwrap();
        let dropper = thread::spawn(move || {
            // A callback of this thread that panicked is over, too.
            let stopped = StopSource::new();
            stopped.stop(reason());
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                stopped.token().on_stop(|| panic!("hostile")).remove()
            }));
            assert!(panicked.is_err());
            callback.remove_and_wait();
            assert!(ended.load(Ordering::Relaxed), "it came back too early");
        });
        go.send(()).unwrap();
        dropper.join().unwrap();
        assert!(stopper.join().unwrap());
    }
}

#[test]
fn a_removal_waits_for_its_own_callback_and_a_drop_for_none() {
    let source = StopSource::new();
    let (go, gone) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let quick = source.token().on_stop(|| ());
    let slow = source.token().on_stop(move || {
        begin.send(()).unwrap();
        gone.recv().unwrap();
    });
    let stopper = thread::spawn(move || source.stop(reason()));
    begun.recv().unwrap();
    assert!(
        !quick.remove_and_wait(),
        "it ran, and this returns although the slow one still runs"
    );
    drop(slow);
    go.send(()).unwrap();
    stopper.join().unwrap();
}

#[test]
fn r26_table_of_stop_and_value() {
    // (stopped before the first poll, value ready at the first poll, then: stopped, value ready) -> whether the value is returned
    let table = [
        (false, true, false, false, Some(true)),
        (true, true, false, false, Some(false)),
        (true, false, false, false, Some(false)),
        (false, false, true, false, Some(false)),
        (false, false, false, true, Some(true)),
        (false, false, true, true, Some(true)),
        (false, false, false, false, None),
    ];
    for row in table {
        let (stopped_first, ready_first, stopped_then, ready_then, expected) = row;
        let source = StopSource::new();
        let token = source.token();
        let is_ready = Cell::new(ready_first);
        let polls = Cell::new(0);
        let future = poll_fn(|_| {
            polls.set(polls.get() + 1);
            if is_ready.get() {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        });
        if stopped_first {
            source.stop(reason());
        }
        let mut run = pin!(token.run_until_stopped(future));
        let mut result = poll_once(run.as_mut(), Waker::noop());
        if stopped_first {
            assert_eq!(
                polls.get(),
                0,
                "{row:?}: a stop that was there is seen before any effect"
            );
        }
        if result.is_pending() {
            if stopped_then {
                source.stop(reason());
            }
            is_ready.set(ready_then);
            result = poll_once(run.as_mut(), Waker::noop());
        }
        let seen = match result {
            Poll::Ready(result) => Some(result.is_ok()),
            Poll::Pending => None,
        };
        assert_eq!(seen, expected, "{row:?}");
    }
}

#[test]
fn r26_a_loop_over_something_that_is_always_ready_ends_at_the_stop() {
    let source = StopSource::new();
    let token = source.token();
    let rounds = block_on(async {
        let mut rounds = 0;
        while token.run_until_stopped(ready(())).await.is_ok() {
            rounds += 1;
            if rounds == 5 {
                source.stop(reason());
            }
        }
        rounds
    });
    assert_eq!(rounds, 5);
}

/// Ready as soon as the budget allows it, like a receive from a channel that is full.
fn costs_budget() -> impl Future<Output = ()> {
    poll_fn(budget::poll_proceed)
}

#[test]
fn r26_a_ready_value_does_not_lose_because_the_budget_is_used_up() {
    let source = StopSource::new();
    let token = source.token();
    let outer = budget::start();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..budget::PER_POLL {
        assert!(budget::poll_proceed(&mut cx).is_ready());
    }
    let mut run = pin!(token.run_until_stopped(costs_budget()));
    assert!(run.as_mut().poll(&mut cx).is_pending(), "denied");
    source.stop(reason());
    assert!(matches!(run.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
    assert!(
        budget::poll_proceed(&mut cx).is_pending(),
        "the limit is back"
    );
    outer.resume();
}

#[test]
fn g19_a_loop_that_ignores_stops_uses_its_budget_up() {
    let source = StopSource::new();
    let token = source.token();
    source.stop(reason());
    let outer = budget::start();
    let (mut runs, mut waits) = (0, 0);
    for _ in 0..1_000 {
        let mut run = pin!(token.run_until_stopped(ready(())));
        runs += usize::from(poll_once(run.as_mut(), Waker::noop()).is_pending());
    }
    for _ in 0..1_000 {
        let mut wait = pin!(token.stopped());
        waits += usize::from(poll_once(wait.as_mut(), Waker::noop()).is_pending());
    }
    outer.resume();
    assert!(runs > 0 && waits > 0, "{runs} {waits}");
}

#[test]
fn waits_that_are_pending_cost_no_budget() {
    let source = StopSource::new();
    let token = source.token();
    let outer = budget::start();
    for _ in 0..1_000 {
        assert!(poll_once(pin!(token.stopped()), Waker::noop()).is_pending());
        assert!(
            poll_once(
                pin!(token.run_until_stopped(pending::<()>())),
                Waker::noop()
            )
            .is_pending()
        );
    }
    for _ in 0..budget::PER_POLL {
        assert!(poll_once(pin!(costs_budget()), Waker::noop()).is_ready());
    }
    assert!(poll_once(pin!(costs_budget()), Waker::noop()).is_pending());
    outer.resume();
}

#[test]
fn a_pending_wait_says_what_it_waits_for_and_where() {
    let source = StopSource::new();
    for token in [source.token(), StopToken::never()] {
        let (wait, line) = (token.stopped(), line!());
        let mut wait = pin!(wait);
        for _ in 0..2 {
            let (_, seen) = observe(|| poll_once(wait.as_mut(), Waker::noop()));
            assert_eq!((seen[0].what, seen[0].at.unwrap().line()), ("stop", line));
        }
        let (run, line) = (token.run_until_stopped(pending::<()>()), line!());
        let (_, seen) = observe(|| poll_once(pin!(run), Waker::noop()));
        assert_eq!((seen[0].what, seen[0].at.unwrap().line()), ("stop", line));
        let (owned, line) = (token.stopped_owned(), line!());
        let (_, seen) = observe(|| poll_once(pin!(owned), Waker::noop()));
        assert_eq!((seen[0].what, seen[0].at.unwrap().line()), ("stop", line));
    }
}

#[test]
fn a_token_that_is_never_stopped() {
    let token = StopToken::never();
    assert!(!token.is_stopped());
    assert!(token.check().is_ok());
    assert!(token.reason().is_none());
    assert!(poll_once(pin!(token.stopped()), Waker::noop()).is_pending());
    assert!(poll_once(pin!(token.stopped_owned()), Waker::noop()).is_pending());
    assert_eq!(block_on(token.run_until_stopped(ready(7))).ok(), Some(7));
    let held = Arc::new(());
    let action = held.clone();
    let callback = token.on_stop(move || drop(action));
    assert_eq!(Arc::strong_count(&held), 1, "dropped at once");
    assert!(!callback.remove());
    let child = token.child();
    assert!(child.stop(reason()), "below it is a root like others");
    assert!(!StopToken::default().is_stopped());
}

#[test]
fn f5_what_is_leaked_is_harmless() {
    let source = StopSource::new();
    // Kept below, together with the wait that borrows it.
    let token: &'static StopToken = Box::leak(Box::new(source.token()));
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    forget(token.on_stop(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    forget(source.guard());
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let waker = waker(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut wait = Box::pin(token.stopped());
    assert!(poll_once(wait.as_mut(), &waker).is_pending());
    forget((wait, token));
    source.stop(reason());
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!(woken.load(Ordering::Relaxed), 1);
}

#[test]
fn stress_everything_at_once() {
    for round in 0..200 {
        let root = StopSource::new();
        let token = root.token();
        let runs = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(Barrier::new(3));
        let stopper = {
            let (root, start) = (root.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                root.stop(reason());
            })
        };
        let maker = {
            let (token, start, runs) = (token.clone(), start.clone(), runs.clone());
            thread::spawn(move || {
                start.wait();
                let mut expected = 0;
                for number in 0..30 {
                    let child = token.child();
                    let count = runs.clone();
                    let callback = child.token().on_stop(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                    if number % 3 == round % 3 {
                        drop(child);
                    }
                    expected += usize::from(!callback.remove());
                }
                expected
            })
        };
        start.wait();
        let stopped: Stopped = block_on(token.run_until_stopped(pending::<()>())).unwrap_err();
        assert!(stopped.reason().is_same_as(&token.reason().unwrap()));
        stopper.join().unwrap();
        assert_eq!(maker.join().unwrap(), runs.load(Ordering::Relaxed));
    }
}

#[test]
fn the_types_go_to_any_thread() {
    fn anywhere<T: Send + Sync + 'static>() {}
    fn unpin<T: Unpin>() {}
    anywhere::<StopSource>();
    anywhere::<StopToken>();
    anywhere::<StopReason>();
    anywhere::<StopKind>();
    anywhere::<Stopped>();
    anywhere::<StopOnDrop>();
    anywhere::<Callback>();
    anywhere::<StoppedOwned>();
    anywhere::<StoppedFuture<'static>>();
    anywhere::<RunUntilStopped<'static, std::future::Ready<()>>>();
    unpin::<StopSource>();
    unpin::<StopToken>();
    unpin::<Callback>();
    unpin::<StopOnDrop>();
    unpin::<StoppedOwned>();
    fn is_error<T: std::error::Error>() {}
    is_error::<Stopped>();
}
