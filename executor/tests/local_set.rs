#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! Tasks that stay on one thread: where they run, where they are dropped, and who wakes them.

mod hostile;
#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use hostile::{Contained, Hostile};
use lenio_executor::{
    JoinHandle, LocalSet, Runtime, block_on, spawn, spawn_blocking, spawn_local, yield_now,
};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use watchdog::within_patience;

/// Checks in its drop that it is still where it was made.
struct AtHome {
    home: ThreadId,
    drops: Rc<Cell<usize>>,
}

impl AtHome {
    fn new(drops: &Rc<Cell<usize>>) -> Self {
        Self {
            home: thread::current().id(),
            drops: drops.clone(),
        }
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.home);
        self.drops.set(self.drops.get() + 1);
    }
}

/// A local task that never ends by itself.
fn stay(set: &LocalSet, drops: &Rc<Cell<usize>>) -> JoinHandle<()> {
    let at_home = AtHome::new(drops);
    set.spawn_local(async move {
        let _at_home = at_home;
        pending::<()>().await;
    })
}

/// Drives the set once.
fn turn(set: &LocalSet) {
    block_on(set.run_until(yield_now()));
}

#[test]
fn outputs_need_not_be_send() {
    let set = LocalSet::new();
    let shared = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<JoinHandle<Rc<usize>>> = (0..10)
        .map(|n| {
            let shared = shared.clone();
            set.spawn_local(async move {
                yield_now().await;
                shared.borrow_mut().push(n);
                Rc::new(n)
            })
        })
        .collect();
    block_on(set.run_until(async {
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(*task.await.unwrap(), n);
        }
    }));
    assert_eq!(*shared.borrow(), (0..10).collect::<Vec<_>>());
    assert!(set.is_empty());
}

#[test]
fn tasks_are_polled_in_the_order_in_which_they_were_spawned() {
    let set = LocalSet::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    // More than one turn's worth.
    for n in 0..1000 {
        let order = order.clone();
        drop(set.spawn_local(async move { order.borrow_mut().push(n) }));
    }
    block_on(set.run());
    assert_eq!(*order.borrow(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn r15_a_set_that_is_dropped_drops_its_tasks_on_its_own_thread() {
    let drops = Rc::new(Cell::new(0));
    // Never polled, polled, and woken but not polled again.
    let set = LocalSet::new();
    drop(stay(&set, &drops));
    drop(set);
    assert_eq!(drops.get(), 1);

    let set = LocalSet::new();
    let handle = stay(&set, &drops);
    turn(&set);
    drop(set);
    assert_eq!(drops.get(), 2);
    assert!(block_on(handle).unwrap_err().is_cancelled());

    let set = LocalSet::new();
    let handle = stay(&set, &drops);
    turn(&set);
    handle.cancel();
    drop(set);
    assert_eq!(drops.get(), 3);
}

#[test]
fn r15_a_task_cancelled_from_another_thread_is_dropped_at_home() {
    within_patience("remote cancel", || {
        let drops = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        let handle = stay(&set, &drops);
        turn(&set);
        let outcome = block_on(set.run_until(async {
            let remote = thread::spawn(move || {
                handle.cancel();
                // The outcome may be taken here as well: it is Send.
                block_on(handle)
            });
            let (send, joined) = mpsc::channel();
            let join = spawn_blocking(move || send.send(remote.join().unwrap()).unwrap());
            join.await.unwrap();
            joined.recv().unwrap()
        }));
        assert!(outcome.unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn r15_a_handle_dropped_on_another_thread_leaves_the_future_at_home() {
    within_patience("remote drop", || {
        let drops = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        let handle = stay(&set, &drops);
        turn(&set);
        thread::spawn(move || drop(handle)).join().unwrap();
        assert_eq!(drops.get(), 0);
        drop(set);
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_wake_from_another_thread_polls_the_task_at_home() {
    within_patience("remote wake", || {
        let set = LocalSet::new();
        let home = thread::current().id();
        let (send, wakers) = mpsc::channel::<Waker>();
        let storm = thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                waker.wake();
            }
        });
        let polls = Rc::new(Cell::new(0));
        let counter = polls.clone();
        let task = set.spawn_local(poll_fn(move |cx| {
            assert_eq!(thread::current().id(), home);
            counter.set(counter.get() + 1);
            if counter.get() > 1000 {
                return Poll::Ready(());
            }
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        block_on(set.run_until(task)).unwrap();
        // The task is gone, and with it the sender.
        storm.join().unwrap();
        assert_eq!(polls.get(), 1001);
    });
}

#[test]
fn r13_wakers_that_outlive_the_set_do_nothing() {
    within_patience("after the set", || {
        let set = LocalSet::new();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        for _ in 0..10 {
            let wakers = wakers.clone();
            drop(set.spawn_local(poll_fn(move |cx| {
                wakers.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        turn(&set);
        drop(set);
        thread::spawn(move || {
            for waker in wakers.lock().unwrap().drain(..) {
                waker.wake_by_ref();
                waker.wake();
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn r13_wakes_from_another_thread_while_the_set_is_dropped_are_sound() {
    within_patience("during the drop", || {
        let (send, wakers) = mpsc::channel::<Waker>();
        let storm = thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                waker.wake();
            }
        });
        for _ in 0..500 {
            let set = LocalSet::new();
            let drops = Rc::new(Cell::new(0));
            for _ in 0..4 {
                let (send, at_home) = (send.clone(), AtHome::new(&drops));
                drop(set.spawn_local(poll_fn(move |cx| {
                    let _at_home = &at_home;
                    send.send(cx.waker().clone()).unwrap();
                    Poll::<()>::Pending
                })));
            }
            turn(&set);
            drop(set);
            assert_eq!(drops.get(), 4);
        }
        drop(send);
        storm.join().unwrap();
    });
}

#[test]
fn tasks_that_spawn_while_their_set_is_dropped_are_refused() {
    struct SpawnInDrop(Rc<Cell<usize>>);
    impl Drop for SpawnInDrop {
        fn drop(&mut self) {
            let handle = spawn_local(pending::<()>());
            if block_on(handle).unwrap_err().is_refused() {
                self.0.set(self.0.get() + 1);
            }
        }
    }
    within_patience("spawn in drop", || {
        let refused = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        for _ in 0..10 {
            let spawner = SpawnInDrop(refused.clone());
            drop(set.spawn_local(async move {
                let _spawner = spawner;
                pending::<()>().await;
            }));
        }
        turn(&set);
        drop(set);
        assert_eq!(refused.get(), 10);
    });
}

#[test]
fn tasks_that_wake_and_cancel_each_other_in_their_drops_are_dropped_once() {
    struct Peer {
        wakers: Rc<RefCell<Vec<Waker>>>,
        handles: Rc<RefCell<Vec<JoinHandle<()>>>>,
        drops: Rc<Cell<usize>>,
    }
    impl Drop for Peer {
        fn drop(&mut self) {
            self.drops.set(self.drops.get() + 1);
            self.wakers.borrow().iter().for_each(Waker::wake_by_ref);
            let handle = self.handles.borrow_mut().pop();
            if let Some(handle) = handle {
                handle.cancel();
            }
        }
    }
    within_patience("wakes in drops", || {
        let (wakers, handles, drops) = (Rc::default(), Rc::default(), Rc::default());
        let set = LocalSet::new();
        for _ in 0..20 {
            let peer = Peer {
                wakers: Rc::clone(&wakers),
                handles: Rc::clone(&handles),
                drops: Rc::clone(&drops),
            };
            let task = set.spawn_local(poll_fn(move |cx| {
                peer.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }));
            handles.borrow_mut().push(task);
        }
        turn(&set);
        drop(set);
        assert_eq!(drops.get(), 20);
        drop((wakers, handles));
    });
}

#[test]
fn a_task_that_owns_its_set_is_leaked_with_it_and_nothing_else_happens() {
    // A set cannot be dropped from within its own task: whoever drives it borrows it. What a task can do is to keep it from being
    // dropped at all. The cycle is broken by hand, so that nothing is leaked in the end.
    within_patience("set in its own task", || {
        let set = Rc::new(LocalSet::new());
        let slot: Rc<RefCell<Option<Rc<LocalSet>>>> = Rc::new(RefCell::new(Some(set.clone())));
        let inside = slot.clone();
        let task = set.spawn_local(async move {
            let own = inside.borrow_mut().take();
            yield_now().await;
            drop(own);
            9
        });
        let weak = Rc::downgrade(&set);
        let output = block_on(async move { set.run_until(task).await });
        assert_eq!(output.unwrap(), 9);
        assert!(weak.upgrade().is_none());
        drop(slot);
    });
}

#[test]
fn a_set_dropped_within_the_task_of_another_set_goes_completely() {
    within_patience("set in a task", || {
        let drops = Rc::new(Cell::new(0));
        let (outer, inner) = (LocalSet::new(), LocalSet::new());
        for _ in 0..3 {
            drop(stay(&inner, &drops));
        }
        turn(&inner);
        let counter = drops.clone();
        let task = outer.spawn_local(async move {
            drop(inner);
            counter.get()
        });
        assert_eq!(block_on(outer.run_until(task)).unwrap(), 3);
    });
}

#[test]
fn sets_nest_and_each_task_spawns_into_its_own() {
    within_patience("nested sets", || {
        let (outer, inner) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let (before, after) = block_on(outer.run_until(async {
            let driven = inner.clone();
            spawn_local(async move {
                let inside = driven.run_until(async {
                    let task = spawn_local(async { Rc::new(1) });
                    assert!(!driven.is_empty(), "it went into the inner set");
                    *task.await.unwrap()
                });
                let before = inside.await;
                assert!(driven.is_empty());
                let after = spawn_local(async { Rc::new(2) });
                assert!(driven.is_empty(), "it went into the outer set");
                (before, *after.await.unwrap())
            })
            .await
            .unwrap()
        }));
        assert_eq!((before, after), (1, 2));
        assert!(outer.is_empty());
    });
}

#[test]
fn a_set_driven_by_a_task_of_its_own_keeps_its_outer_driver() {
    // The inner driver is a `block_on` in a task of the set; when it has ended, a wake from outside must still reach the outer one.
    within_patience("driver in driver", || {
        let set = Rc::new(LocalSet::new());
        let (send, wakers) = mpsc::channel::<Waker>();
        let (go, gate) = mpsc::channel::<()>();
        let storm = thread::spawn(move || {
            let waker = wakers.recv().unwrap();
            gate.recv().unwrap();
            waker.wake();
        });
        let inner = Rc::downgrade(&set);
        drop(set.spawn_local(async move {
            let set = inner.upgrade().unwrap();
            block_on(set.run_until(yield_now()));
            // From here on nobody but the outer driver is there. It sleeps when the hook below lets the other thread go.
            drop(set);
            drop(spawn(async move { go.send(()).unwrap() }));
        }));
        let mut polls = 0;
        let task = set.spawn_local(poll_fn(move |cx| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(polls);
            }
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        assert_eq!(block_on(set.run_until(task)).unwrap(), 2);
        storm.join().unwrap();
    });
}

/// Polls both futures with wakers of their own, as a join of futures does, until the first is ready.
async fn first_of_two<T>(first: impl Future<Output = T>, second: impl Future<Output = ()>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut second_is_ready = false;
    poll_fn(|cx| {
        let outer = cx.waker().clone();
        let passes_on = move || outer.wake_by_ref();
        let (a, b) = (
            Arc::new(Hostile::new().on_wake(passes_on.clone())),
            Arc::new(Hostile::new().on_wake(passes_on)),
        );
        let polled = first.as_mut().poll(&mut Context::from_waker(&a.waker()));
        if polled.is_pending() && !second_is_ready {
            let polled = second.as_mut().poll(&mut Context::from_waker(&b.waker()));
            second_is_ready = polled.is_ready();
        }
        polled
    })
    .await
}

#[test]
fn a_set_with_two_drivers_wakes_the_one_that_is_left() {
    within_patience("two drivers", || {
        // Each driver has a waker of its own, and is polled only when that one was woken.
        let set = LocalSet::new();
        let (a, b) = (Arc::new(Hostile::new()), Arc::new(Hostile::new()));
        let (waker_a, waker_b) = (a.waker(), b.waker());
        let slot: Rc<RefCell<Option<Waker>>> = Rc::default();
        let filled = slot.clone();
        let _task = set.spawn_local(poll_fn(move |cx| {
            *filled.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        let mut first = Box::pin(set.run_until(pending::<()>()));
        let mut second = Box::pin(set.run_until(pending::<()>()));
        let (mut cx_a, mut cx_b) = (Context::from_waker(&waker_a), Context::from_waker(&waker_b));
        assert!(first.as_mut().poll(&mut cx_a).is_pending());
        assert!(second.as_mut().poll(&mut cx_b).is_pending());
        drop(second);
        let before = a.wakes();
        slot.take().unwrap().wake();
        assert!(
            a.wakes() > before,
            "the task waits for a driver, and the first one waits for nothing"
        );
        drop(first);
    });
}

#[test]
fn a_driver_that_waits_for_the_set_to_empty_notices_that_another_one_emptied_it() {
    within_patience("emptied by another driver", || {
        let set = LocalSet::new();
        let end = Rc::new(Cell::new(false));
        let is_over = end.clone();
        let slot: Rc<RefCell<Option<Waker>>> = Rc::default();
        let filled = slot.clone();
        drop(set.spawn_local(poll_fn(move |cx| {
            *filled.borrow_mut() = Some(cx.waker().clone());
            match is_over.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })));
        block_on(first_of_two(set.run(), async {
            // Polled after the first driver, with no wake of its in between but the one that comes from the set.
            set.run_until(async {
                end.set(true);
                let waker = slot.take();
                if let Some(waker) = waker {
                    waker.wake();
                }
                pending::<()>().await;
            })
            .await;
        }));
    });
}

#[test]
fn outside_of_a_set_spawn_local_is_refused() {
    let refused = |outcome: Result<(), lenio_executor::JoinError>| {
        let error = outcome.unwrap_err();
        assert!(error.is_refused());
        assert_eq!(
            error.to_string(),
            "task was refused: spawn_local was called outside of a local set"
        );
    };
    // Outside of everything, in a plain task, in a plain task within a set, and after a set.
    refused(block_on(spawn_local(async {})));
    refused(block_on(async {
        spawn(async { block_on(spawn_local(async {})) })
            .await
            .unwrap()
    }));
    let set = LocalSet::new();
    refused(block_on(set.run_until(async {
        spawn_blocking(|| block_on(spawn_local(async {})))
            .await
            .unwrap()
    })));
    turn(&set);
    refused(block_on(spawn_local(async {})));
    drop(set);
    refused(block_on(spawn_local(async {})));
}

#[test]
fn a_plain_task_that_is_polled_while_a_set_drives_is_outside_of_it() {
    // On a runtime without threads the set and the task share the thread.
    let runtime = Runtime::builder().current_thread().build().unwrap();
    let set = LocalSet::new();
    let outcome = runtime.block_on(
        set.run_until(async { spawn(async { spawn_local(async {}).await }).await.unwrap() }),
    );
    assert!(outcome.unwrap_err().is_refused());
}

#[test]
fn f1_a_local_task_that_panics_costs_the_set_nothing() {
    within_patience("panic", || {
        let set = LocalSet::new();
        block_on(set.run_until(async {
            for _ in 0..100 {
                let task = spawn_local(async { resume_unwind(Box::new("boom")) });
                assert!(task.await.unwrap_err().is_panic());
                assert_eq!(*spawn_local(async { Rc::new(3) }).await.unwrap(), 3);
            }
        }));
        // And the future that is run until its end.
        let root = catch_unwind(AssertUnwindSafe(|| {
            block_on(set.run_until(async {
                yield_now().await;
                resume_unwind(Box::new("boom"))
            }))
        }));
        assert!(root.is_err());
        assert!(block_on(spawn_local(async {})).unwrap_err().is_refused());
        let task = set.spawn_local(async { 4 });
        assert_eq!(block_on(set.run_until(task)).unwrap(), 4);
    });
}

#[test]
fn f1_tasks_whose_drop_panics_do_not_disturb_the_drop_of_the_set() {
    struct Falling(Rc<Cell<usize>>);
    impl Drop for Falling {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            resume_unwind(Box::new("in drop"));
        }
    }
    within_patience("panics in drop", || {
        let drops = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        for _ in 0..10 {
            let falling = Falling(drops.clone());
            drop(set.spawn_local(async move {
                let _falling = falling;
                pending::<()>().await;
            }));
        }
        turn(&set);
        drop(set);
        assert_eq!(drops.get(), 10);
    });
}

#[test]
fn f1_a_driver_whose_waker_panics_does_not_disturb_the_drop_of_the_set() {
    within_patience("waker of the driver", || {
        let drops = Rc::new(Cell::new(0));
        let hostile = Arc::new(
            Hostile::new()
                .on_wake(|| resume_unwind(Box::new("in wake")))
                .on_drop(|| resume_unwind(Box::new("in drop"))),
        );
        let waker = Contained::new(hostile.waker());
        let set = LocalSet::new();
        let tasks: Vec<_> = (0..10).map(|_| stay(&set, &drops)).collect();
        let mut driver = Box::pin(set.run());
        let mut cx = Context::from_waker(waker.waker());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        let left = catch_unwind(AssertUnwindSafe(|| drop(driver)));
        drop(left);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(set)));
        assert!(dropped.is_ok(), "a panic of a foreign waker in our drop");
        assert_eq!(drops.get(), 10);
        for task in tasks {
            assert!(block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_set_in_a_thread_local_ends_with_its_thread() {
    struct Report(mpsc::Sender<ThreadId>);
    impl Drop for Report {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }
    thread_local! {
        static SET: LocalSet = LocalSet::new();
    }
    let (send, dropped_on) = mpsc::channel();
    let thread = thread::spawn(move || {
        SET.with(|set| {
            let report = Report(send);
            drop(set.spawn_local(async move {
                let _report = report;
                pending::<()>().await;
            }));
            turn(set);
        });
        thread::current().id()
    });
    let home = thread.join().unwrap();
    assert_eq!(dropped_on.recv().unwrap(), home);
}

#[test]
fn a_set_that_is_woken_without_end_lets_the_rest_of_its_thread_run() {
    within_patience("fairness", || {
        let runtime = Runtime::builder().current_thread().build().unwrap();
        let set = LocalSet::new();
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = polls.clone();
        drop(set.spawn_local(poll_fn(move |cx| {
            counter.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        let others = runtime.block_on(set.run_until(async {
            spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                }
                11
            })
            .await
        }));
        assert_eq!(others.unwrap(), 11);
        assert!(polls.load(Ordering::Relaxed) > 0);
    });
}
