#![expect(unsafe_code, reason = "models make tasks and owners by hand")]
//! Loom models of the task cell. Each name is a claim.

use super::tree::{Kind, Node};
use super::{JoinHandle, Owner, Ran, Runnable, TaskId, adopt_newborn, new_task};
use crate::context::chain::Chain;
use crate::policy::StopPolicy;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering};
use lenio_sync::primitive::{Mutex, thread};
use std::collections::VecDeque;
use std::panic::Location;
use std::pin::pin;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// A scheduler that is only a queue.
pub(super) struct Scheduler {
    queue: Mutex<VecDeque<Runnable>>,
    owner: Owner,
}

impl Scheduler {
    pub(super) fn new() -> Arc<Self> {
        fn schedule(this: *const (), runnable: Runnable) {
            // SAFETY: each model keeps its scheduler until the end.
            let this = unsafe { &*this.cast::<Scheduler>() };
            this.queue.lock().push_back(runnable);
        }
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            queue: Mutex::new(VecDeque::new()),
            // SAFETY: as above.
            owner: unsafe { Owner::new(schedule, |_| None, this.as_ptr().cast()) },
        })
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let owner = NonNull::from(&self.owner);
        // SAFETY: each model keeps its scheduler until the end.
        let spawned = unsafe { new_task(future, owner, None, Location::caller()) };
        self.owner.list(&spawned.runnable);
        self.queue.lock().push_back(spawned.runnable);
        spawned.handle
    }

    /// As `spawn`, with a node below `parent`.
    pub(super) fn spawn_below<F>(&self, parent: &Arc<Node>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let owner = NonNull::from(&self.owner);
        let id = TaskId::next();
        let at = Location::caller();
        let node = Node::new(
            Kind::Task,
            Some(id),
            None,
            at,
            StopPolicy::native(),
            Chain::empty(),
        );
        // SAFETY: each model keeps its scheduler until the end.
        let spawned = unsafe { new_task(future, owner, Some(node), at) };
        self.owner.list(&spawned.runnable);
        adopt_newborn(parent, &spawned.runnable, true);
        self.queue.lock().push_back(spawned.runnable);
        spawned.handle
    }

    /// Polls what is queued, until nothing is.
    pub(super) fn run(&self) {
        loop {
            let next = self.queue.lock().pop_front();
            let Some(runnable) = next else { return };
            if let Ran::Again(runnable) = runnable.run(None) {
                self.queue.lock().push_back(runnable);
            }
        }
    }
}

/// A future that hands its waker out and is ready once the flag is set.
fn until(
    flag: &Arc<AtomicBool>,
    waker: &Arc<Mutex<Option<Waker>>>,
) -> impl Future<Output = ()> + use<> {
    let (flag, waker) = (flag.clone(), waker.clone());
    std::future::poll_fn(move |cx| {
        // ORDERING: Relaxed on purpose: the wake has to publish it.
        if flag.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        waker.lock().get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    })
}

struct Parked {
    scheduler: Arc<Scheduler>,
    handle: JoinHandle<()>,
    flag: Arc<AtomicBool>,
    waker: Waker,
}

/// A task that has been polled once and waits for its flag.
fn parked() -> Parked {
    let scheduler = Scheduler::new();
    let flag = Arc::new(AtomicBool::new(false));
    let waker = Arc::new(Mutex::new(None));
    let handle = scheduler.spawn(until(&flag, &waker));
    scheduler.run();
    let waker = waker.lock().clone().unwrap();
    Parked {
        scheduler,
        handle,
        flag,
        waker,
    }
}

/// A task that is woken twice, the second time perhaps while it is woken already: that wake, too, has to publish.
fn woken_twice(wake: fn(Waker)) {
    loom::model(move || {
        let Parked {
            scheduler,
            handle,
            flag,
            waker,
        } = parked();
        let other = waker.clone();
        let t = thread::spawn(move || {
            // ORDERING: Relaxed on purpose: the wake has to publish it.
            flag.store(true, Ordering::Relaxed);
            wake(other);
        });
        waker.wake();
        scheduler.run();
        t.join().unwrap();
        scheduler.run();
        assert!(handle.is_finished(), "the poll after the wake saw the flag");
    });
}

#[test]
fn loom_ci_r08_every_wake_publishes_what_was_written_before_it() {
    woken_twice(|waker| waker.wake_by_ref());
}

#[test]
fn loom_ci_r08_every_wake_by_value_publishes_what_was_written_before_it() {
    woken_twice(Waker::wake);
}

#[test]
fn loom_ci_a_wake_during_the_poll_is_never_lost() {
    loom::model(|| {
        let Parked {
            scheduler,
            handle,
            flag,
            waker,
        } = parked();
        let runner = scheduler.clone();
        waker.wake_by_ref();
        let t = thread::spawn(move || runner.run());
        // ORDERING: Relaxed on purpose: the wake has to publish it.
        flag.store(true, Ordering::Relaxed);
        waker.wake();
        t.join().unwrap();
        scheduler.run();
        assert!(handle.is_finished());
    });
}

#[test]
fn loom_ci_a_joiner_gets_the_output_whenever_the_task_finishes() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let handle = scheduler.spawn(async { 42 });
        let runner = scheduler.clone();
        let t = thread::spawn(move || runner.run());
        assert_eq!(loom::future::block_on(handle).unwrap(), 42);
        t.join().unwrap();
    });
}

struct Flag(Arc<std::sync::atomic::AtomicBool>);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, StdOrdering::SeqCst);
    }
}

#[test]
fn loom_ci_a_joiner_that_changes_its_waker_is_woken_through_the_new_one() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let mut handle = pin!(scheduler.spawn(async {}));
        let runner = scheduler.clone();
        let t = thread::spawn(move || runner.run());
        let woken: [_; 2] =
            std::array::from_fn(|_| Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let mut ready = false;
        for flag in &woken {
            let waker = Waker::from(Arc::new(Flag(flag.clone())));
            ready = handle
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready();
            if ready {
                break;
            }
        }
        t.join().unwrap();
        assert!(ready || woken[1].load(StdOrdering::SeqCst));
    });
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, StdOrdering::Relaxed);
    }
}

#[test]
fn loom_ci_a_cancel_drops_the_future_once_whoever_polls() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let drops = Arc::new(AtomicUsize::new(0));
        let on_drop = OnDrop(drops.clone());
        let mut handle = scheduler.spawn(async move {
            let _on_drop = on_drop;
            std::future::pending::<()>().await;
        });
        let runner = scheduler.clone();
        let t = thread::spawn(move || runner.run());
        handle.cancel();
        t.join().unwrap();
        scheduler.run();
        assert_eq!(drops.load(StdOrdering::Relaxed), 1);
        assert!(handle.take_outcome().unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn loom_ci_a_wake_and_the_last_drop_free_the_task_once() {
    loom::model(|| {
        let Parked {
            scheduler,
            handle,
            flag,
            waker,
        } = parked();
        let other = waker.clone();
        let t = thread::spawn(move || drop(other));
        // ORDERING: Relaxed on purpose: the wake has to publish it.
        flag.store(true, Ordering::Relaxed);
        waker.wake();
        drop(handle);
        scheduler.run();
        t.join().unwrap();
        assert_eq!(scheduler.owner.living(), 0);
    });
}

#[test]
fn loom_ci_the_output_is_dropped_once_when_the_handle_goes_at_the_end() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let drops = Arc::new(AtomicUsize::new(0));
        let on_drop = OnDrop(drops.clone());
        let handle = scheduler.spawn(async move { on_drop });
        let runner = scheduler.clone();
        let t = thread::spawn(move || runner.run());
        drop(handle);
        t.join().unwrap();
        scheduler.run();
        assert_eq!(drops.load(StdOrdering::Relaxed), 1);
    });
}

#[test]
fn loom_ci_a_sweep_during_a_spawn_loses_no_task() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        drop(scheduler.spawn(async {}));
        scheduler.run();
        let other = scheduler.clone();
        let t = thread::spawn(move || other.owner.sweep());
        let handle = scheduler.spawn(std::future::pending::<()>());
        t.join().unwrap();
        scheduler.owner.cancel_all();
        scheduler.run();
        assert!(handle.is_finished());
        assert_eq!(scheduler.owner.living(), 0);
    });
}
