//! Nurseries: children that borrow, polled by the task that waits for them.

mod watchdog;

use lenio::future::{
    ChildError, ChildHandle, LocalNursery, SendNursery, concurrent, concurrent_local, join_all,
};
use lenio::sync::stop::{StopKind, StopReason, Stopped};
use lenio::sync::{Event, Notify};
use lenio::{
    JoinHandle, Runtime, Section, StopExt, check_stop, shield, spawn, spawn_child, stop_handle,
    throughline, yield_now,
};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use watchdog::within_patience;

#[track_caller]
fn on_one_thread<F: Future<Output = ()>>(
    name: &str,
    scenario: impl FnOnce() -> F + Send + 'static,
) {
    within_patience(name, || {
        let runtime = Runtime::builder().current_thread().virtual_clock().build();
        runtime.unwrap().block_on(scenario());
    });
}

/// Forgets a value in a way that leak checkers do not report: what is leaked can still be found from here.
fn forget<T>(value: T) {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let place = Box::into_raw(Box::new(value)).expose_provenance();
    KEPT.lock().unwrap().push(place);
}

/// Counts its drops.
struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn message_of(panic: Box<dyn std::any::Any + Send>) -> &'static str {
    panic.downcast_ref::<&str>().copied().unwrap_or("another")
}

/// Awaits, and takes a panic as an error.
async fn caught<F: Future>(future: F) -> Result<F::Output, &'static str> {
    let mut future = Box::pin(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(message_of(panic))),
        },
    )
    .await
}

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn until_stopped() -> Option<StopKind> {
    let stopped: Result<(), Stopped> = pending().or_stop().await;
    stopped.err().map(|stopped| stopped.reason().kind())
}

const fn is_send<T: Send>(_: &T) {}

const _: fn() = || {
    fn send_sync_unpin<T: Send + Sync + Unpin>() {}
    send_sync_unpin::<SendNursery<'static>>();
    send_sync_unpin::<ChildHandle<u8>>();
    send_sync_unpin::<ChildError>();
    send_sync_unpin::<Section>();
    fn unpin<T: Unpin>() {}
    unpin::<LocalNursery<'static>>();
    is_send(&concurrent(|n| async move { n.spawn(async {}).await }));
};

#[test]
fn two_children_borrow_disjoint_parts_mutably() {
    on_one_thread("two_children_borrow_disjoint_parts_mutably", || async {
        let mut pair = (0, String::new());
        let (number, text) = (&mut pair.0, &mut pair.1);
        concurrent(|n| async move {
            drop(n.spawn(async move {
                yield_now().await;
                *number = 7;
            }));
            drop(n.spawn(async move {
                yield_now().await;
                text.push_str("seven");
            }));
        })
        .await;
        assert_eq!(pair, (7, "seven".to_owned()));
    });
}

#[test]
fn a_child_that_is_not_send_borrows_in_a_local_nursery() {
    on_one_thread("a_child_that_is_not_send", || async {
        let list = Rc::new(RefCell::new(vec![]));
        let parts = concurrent_local(|n| {
            let handles: Vec<_> = (0..3)
                .map(|number| {
                    let list = &list;
                    n.spawn(async move {
                        yields(3 - number).await;
                        list.borrow_mut().push(number);
                        Rc::new(number)
                    })
                })
                .collect();
            async move {
                let mut sum = 0;
                for handle in handles {
                    sum += *handle.await.unwrap();
                }
                sum
            }
        });
        assert_eq!(parts.await, 3);
        assert_eq!(*list.borrow(), [2, 1, 0]);
    });
}

#[test]
fn it_waits_for_children_and_grandchildren_after_the_body_has_returned() {
    fn descend<'env>(n: &SendNursery<'env>, depth: usize, count: &'env AtomicUsize) {
        let again = n.clone();
        drop(n.spawn(async move {
            yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            if depth > 0 {
                descend(&again, depth - 1, count);
                descend(&again, depth - 1, count);
            }
        }));
    }
    on_one_thread("it_waits_for_children", || async {
        let count = AtomicUsize::new(0);
        let output = concurrent(|n| {
            descend(&n, 5, &count);
            ready("body")
        });
        assert_eq!(output.await, "body");
        assert_eq!(count.into_inner(), 63);
    });
}

#[test]
fn it_waits_for_the_tasks_that_children_have_spawned() {
    on_one_thread("it_waits_for_the_tasks", || async {
        let gate = Arc::new(Event::new());
        let task: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
        let opener = {
            let gate = gate.clone();
            spawn(async move {
                yields(20).await;
                gate.set();
            })
        };
        concurrent(|n| {
            drop(n.spawn(async {
                let below = spawn_child(async move { gate.wait().await });
                *task.lock().unwrap() = Some(below);
            }));
            ready(())
        })
        .await;
        assert!(task.into_inner().unwrap().unwrap().is_finished());
        opener.await.unwrap();
    });
}

#[test]
fn a_task_below_spawns_into_the_nursery_after_all_children_have_ended() {
    on_one_thread("a_task_below_spawns", || async {
        let count = Arc::new(AtomicUsize::new(0));
        concurrent(|n: SendNursery<'static>| {
            let late = count.clone();
            let below = spawn_child(async move {
                yields(10).await;
                for _ in 0..3 {
                    let late = late.clone();
                    let child = n.spawn(async move { late.fetch_add(1, Ordering::Relaxed) });
                    assert!(child.await.is_ok());
                    yields(10).await;
                }
            });
            drop(below);
            ready(())
        })
        .await;
        assert_eq!(count.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn children_are_polled_only_when_they_are_woken() {
    const CHILDREN: usize = 1000;
    let polls = Cell::new(0);
    let body_polls = Cell::new(0);
    let open = Cell::new(false);
    let wakers = RefCell::new(vec![]);
    let child = || {
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            wakers.borrow_mut().push(cx.waker().clone());
            if open.get() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    };
    let mut nursery = pin!(concurrent_local(|n| {
        for _ in 0..CHILDREN {
            drop(n.spawn(child()));
        }
        let body_polls = &body_polls;
        poll_fn(move |_| {
            body_polls.set(body_polls.get() + 1);
            Poll::<()>::Pending
        })
    }));
    let mut cx = Context::from_waker(Waker::noop());
    while polls.get() < CHILDREN {
        assert!(nursery.as_mut().poll(&mut cx).is_pending());
    }
    let first = std::mem::take(&mut *wakers.borrow_mut());
    for number in [3, 999, 500] {
        first[number].wake_by_ref();
        assert!(nursery.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(polls.get(), CHILDREN + 3);
    open.set(true);
    // The second wake finds nobody any more.
    first[3].wake_by_ref();
    assert!(nursery.as_mut().poll(&mut cx).is_pending());
    first[3].wake_by_ref();
    assert!(nursery.as_mut().poll(&mut cx).is_pending());
    assert_eq!(polls.get(), CHILDREN + 4);
    assert_eq!(body_polls.get(), 1);
}

#[test]
fn one_poll_serves_each_child_once_and_then_yields() {
    let polls = Cell::new(0);
    let greedy = || {
        poll_fn(|cx: &mut Context<'_>| {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    };
    let mut nursery = pin!(concurrent_local(|n| {
        for _ in 0..3 {
            drop(n.spawn(greedy()));
        }
        pending::<()>()
    }));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    for round in 1..=5 {
        assert!(
            nursery
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(polls.get(), 3 * round);
        assert!(
            wakes.0.swap(0, Ordering::Relaxed) > 0,
            "it asks to be polled again"
        );
    }
}

#[test]
fn many_ready_children_let_others_run_in_between() {
    let polls = Cell::new(0);
    let mut nursery = pin!(concurrent_local(|n| {
        for _ in 0..1000 {
            let polls = &polls;
            drop(n.spawn(async move { polls.set(polls.get() + 1) }));
        }
        ready(())
    }));
    let mut cx = Context::from_waker(Waker::noop());
    let mut before = 0;
    while nursery.as_mut().poll(&mut cx).is_pending() {
        assert!(polls.get() - before <= 256);
        before = polls.get();
    }
    assert_eq!(polls.get(), 1000);
}

#[test]
fn a_late_wake_of_a_child_that_has_gone_polls_who_has_its_place_once_too_often() {
    let mut cx = Context::from_waker(Waker::noop());
    let waker = RefCell::new(None);
    let polls = Cell::new(0);
    let handle = RefCell::new(None);
    let mut nursery = pin!(concurrent_local(|n| {
        let waker = &waker;
        drop(n.spawn(poll_fn(move |cx| {
            *waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        })));
        *handle.borrow_mut() = Some(n);
        pending::<()>()
    }));
    assert!(nursery.as_mut().poll(&mut cx).is_pending());
    assert!(nursery.as_mut().poll(&mut cx).is_pending());
    let late: Waker = waker.take().expect("polled");
    late.wake_by_ref();
    assert!(nursery.as_mut().poll(&mut cx).is_pending());
    drop(handle.borrow().as_ref().map(|n: &LocalNursery<'_>| {
        n.spawn(poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        }))
    }));
    for expected in [1, 2, 3] {
        assert!(nursery.as_mut().poll(&mut cx).is_pending());
        assert_eq!(polls.get(), expected);
        late.wake_by_ref();
    }
}

#[test]
fn places_of_children_that_have_gone_are_used_again() {
    on_one_thread("places_are_used_again", || async {
        let drops = Arc::new(AtomicUsize::new(0));
        concurrent(|n| async move {
            let slow = n.spawn(async {
                yields(2000).await;
                "slow"
            });
            for number in 0..1000 {
                let on_drop = OnDrop(drops.clone());
                let child = n.spawn(async move {
                    let _on_drop = on_drop;
                    number
                });
                assert_eq!(child.await.unwrap(), number);
                assert_eq!(drops.load(Ordering::Relaxed), number + 1);
            }
            assert_eq!(slow.await.unwrap(), "slow");
        })
        .await;
    });
}

#[test]
fn a_stop_of_the_nursery_reaches_body_and_children_and_nothing_else() {
    on_one_thread("a_stop_of_the_nursery", || async {
        let outside = spawn(async { yields(50).await });
        let kinds = concurrent(|n| async move {
            let children = [(); 3].map(|()| n.spawn(until_stopped()));
            let plain = n.spawn(async {
                yields(20).await;
                "cleanup may await"
            });
            let stopper = n.clone();
            drop(n.spawn(async move {
                yields(3).await;
                assert!(stopper.stop("enough"));
                assert!(!stopper.stop("again"));
                assert!(check_stop().is_err());
            }));
            let own = until_stopped().await;
            let mut kinds = vec![own];
            for child in children {
                kinds.push(child.await.unwrap());
            }
            assert_eq!(plain.await.unwrap(), "cleanup may await");
            assert!(n.is_stopped());
            kinds
        });
        assert_eq!(kinds.await, [Some(StopKind::Requested); 4]);
        assert!(check_stop().is_ok());
        outside.await.unwrap();
    });
}

#[test]
fn a_stop_of_the_task_reaches_children() {
    on_one_thread("a_stop_of_the_task", || async {
        let task = spawn(async {
            concurrent(|n| async move {
                let inner = n.spawn(concurrent(|n| async move {
                    n.spawn(until_stopped()).await.unwrap()
                }));
                let outer = n.spawn(until_stopped());
                (inner.await.unwrap(), outer.await.unwrap())
            })
            .await
        });
        yields(10).await;
        task.stop_because(StopReason::new(StopKind::Deadline));
        let kind = Some(StopKind::Deadline);
        assert_eq!(task.await.unwrap(), (kind, kind));
    });
}

#[test]
fn a_stop_does_not_get_into_a_nursery_behind_a_shield() {
    on_one_thread("behind_a_shield", || async {
        let task = spawn(async {
            let inside = shield(concurrent(|n| async move {
                let child = n.spawn(async {
                    yields(10).await;
                    check_stop().is_ok()
                });
                child.await.unwrap()
            }));
            (inside.await, check_stop().is_ok())
        });
        yields(3).await;
        task.stop("");
        assert_eq!(task.await.unwrap(), (true, false));
    });
}

#[test]
fn a_child_that_was_not_polled_before_the_stop_never_is() {
    on_one_thread("never_polled", || async {
        let polled = Cell::new(false);
        let error = concurrent_local(|n| {
            let polled = &polled;
            let child = n.spawn(async move { polled.set(true) });
            n.stop("closing time");
            async move { child.await.unwrap_err() }
        });
        let error = error.await;
        assert!(error.is_stopped() && !error.is_cancelled());
        assert_eq!(
            error.reason().and_then(StopReason::message),
            Some("closing time")
        );
        assert!(!polled.get());
    });
}

#[test]
fn what_comes_after_the_end_says_so() {
    on_one_thread("after_the_end", || async {
        let drops = Arc::new(AtomicUsize::new(0));
        let n = concurrent(|n: SendNursery<'static>| async move { n }).await;
        let on_drop = OnDrop(drops.clone());
        let late = n.spawn(async move { drop(on_drop) });
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        late.cancel();
        assert!(late.await.unwrap_err().is_late());
    });
}

#[test]
fn a_cancelled_child_is_dropped_and_the_others_go_on() {
    on_one_thread("a_cancelled_child", || async {
        let drops = Arc::new(AtomicUsize::new(0));
        concurrent(|n| async move {
            let other = n.spawn(async {
                yields(10).await;
                "done"
            });
            let on_drop = OnDrop(drops.clone());
            let child = n.spawn(async move {
                let _on_drop = on_drop;
                pending::<()>().await;
            });
            yields(3).await;
            child.cancel();
            assert_eq!(drops.load(Ordering::Relaxed), 0, "the nursery drops it");
            assert!(child.await.unwrap_err().is_cancelled());
            assert_eq!(drops.load(Ordering::Relaxed), 1);
            assert_eq!(other.await.unwrap(), "done");
        })
        .await;
    });
}

#[test]
fn dropping_a_handle_lets_the_child_run_on_and_cancelling_a_finished_one_changes_nothing() {
    on_one_thread("dropping_a_handle", || async {
        let ran = Cell::new(false);
        concurrent_local(|n| async {
            let ran = &ran;
            drop(n.spawn(async move {
                yields(5).await;
                ran.set(true);
            }));
            let finished = { n }.spawn(async { 1 });
            yields(3).await;
            assert!(finished.is_finished());
            finished.cancel();
            assert_eq!(finished.await.unwrap(), 1);
        })
        .await;
        assert!(ran.get());
    });
}

#[test]
fn a_cancel_of_the_nursery_drops_the_children_and_leaves_the_body() {
    on_one_thread("a_cancel_of_the_nursery", || async {
        let drops = Arc::new(AtomicUsize::new(0));
        concurrent(|n| async move {
            let stay = || {
                let on_drop = OnDrop(drops.clone());
                async move {
                    let _on_drop = on_drop;
                    pending::<()>().await;
                }
            };
            let children = [n.spawn(stay()), n.spawn(stay())];
            yields(3).await;
            n.stop_handle().cancel("now");
            let new = n.spawn(stay());
            for child in children {
                assert!(child.await.unwrap_err().is_cancelled());
            }
            assert!(new.await.is_err());
            assert_eq!(drops.load(Ordering::Relaxed), 3);
        })
        .await;
    });
}

#[test]
fn at_the_end_of_the_grace_children_that_ignore_the_stop_are_dropped() {
    on_one_thread("the_end_of_the_grace", || async {
        let error = concurrent(|n| async move {
            let child = n.spawn(pending::<()>());
            yields(3).await;
            n.stop("");
            child.await.unwrap_err()
        });
        assert!(error.await.is_cancelled());
    });
}

#[test]
fn a_panic_of_a_child_stops_the_others_and_is_passed_on_when_all_have_ended() {
    on_one_thread("a_panic_of_a_child", || async {
        let kinds = RefCell::new(vec![]);
        let passed_on = caught(concurrent_local(|n| {
            let kinds = &kinds;
            let other = n.spawn(async move {
                let kind = until_stopped().await;
                yields(5).await;
                kinds.borrow_mut().push(kind);
            });
            let child = n.spawn(async {
                yields(2).await;
                panic!("no luck")
            });
            async move {
                let error = child.await.unwrap_err();
                assert!(error.is_panic());
                assert_eq!(error.to_string(), "the child panicked: no luck");
                let kind = until_stopped().await;
                kinds.borrow_mut().push(kind);
                drop(other);
            }
        }));
        assert_eq!(passed_on.await.unwrap_err(), "no luck");
        assert_eq!(*kinds.borrow(), [Some(StopKind::SiblingFailed); 2]);
    });
}

#[test]
fn a_panic_of_the_body_stops_the_children_and_wins() {
    on_one_thread("a_panic_of_the_body", || async {
        let kind = Cell::new(None);
        let passed_on = caught(concurrent_local(|n| {
            let kind = &kind;
            drop(n.spawn(async move {
                kind.set(until_stopped().await);
                panic!("the child's")
            }));
            async {
                yields(3).await;
                panic!("the body's")
            }
        }));
        assert_eq!(passed_on.await.unwrap_err(), "the body's");
        assert_eq!(kind.get(), Some(StopKind::ParentFailed));
    });
}

#[test]
fn a_panic_of_the_closure_is_one_of_the_body() {
    on_one_thread("a_panic_of_the_closure", || async {
        let passed_on = caught(concurrent(|n| {
            drop(n.spawn(async { unreachable!("never polled") }));
            if n.is_stopped() {
                return ready(());
            }
            panic!("the closure's")
        }));
        assert_eq!(passed_on.await.unwrap_err(), "the closure's");
    });
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_future_that_panics_when_it_is_dropped_has_panicked() {
    on_one_thread("panics_when_dropped", || async {
        let mut bomb = Some(PanicsOnDrop);
        let bomb = poll_fn(move |_| {
            let _ = &bomb;
            Poll::Ready(if false { bomb.take().map(forget) } else { None })
        });
        let others = Cell::new(0);
        let passed_on = caught(concurrent_local(|n| {
            let others = &others;
            drop(n.spawn(async move {
                until_stopped().await;
                others.set(1);
            }));
            drop(n.spawn(bomb));
            yields(1)
        }));
        assert_eq!(passed_on.await.unwrap_err(), "dropped");
        assert_eq!(others.get(), 1);
    });
}

#[test]
fn a_cancelled_child_that_panics_when_it_is_dropped_hurts_nobody() {
    on_one_thread("a_cancelled_child_that_panics", || async {
        let output = concurrent(|n| async move {
            let child = n.spawn(async {
                let _bomb = PanicsOnDrop;
                pending::<()>().await;
            });
            yields(2).await;
            child.cancel();
            child.await.unwrap_err()
        });
        assert!(output.await.is_cancelled());
    });
}

#[test]
fn a_handle_whose_waker_panics_does_not_hurt_the_nursery() {
    struct Hostile;
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("hostile waker");
        }
    }
    on_one_thread("a_hostile_waker", || async {
        let waker = Waker::from(Arc::new(Hostile));
        let output = concurrent(|n| async move {
            let mut child = n.spawn(yields(2));
            let polled = Pin::new(&mut child).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            yields(9).await;
            child.await.is_ok()
        });
        assert!(output.await);
    });
}

#[test]
fn children_have_the_throughline_of_their_birth() {
    on_one_thread("throughline", || async {
        let here = || async {
            yield_now().await;
            throughline::current().to_string()
        };
        let seen = throughline::in_frame(
            "request",
            concurrent(|n| async move {
                let plain = n.spawn(here());
                let query = throughline::enter("query", || n.spawn(here()));
                (plain.await.unwrap(), query.await.unwrap())
            }),
        );
        let seen = seen.await;
        assert_eq!((&*seen.0, &*seen.1), ("request", "request > query"));
    });
}

#[test]
fn dropped_half_way_it_drops_each_child_once_and_before_the_body() {
    struct Log<'l>(&'l RefCell<Vec<&'static str>>, &'static str);
    impl Drop for Log<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }
    for polls in 0..12 {
        let log = RefCell::new(vec![]);
        {
            let mut nursery = Box::pin(concurrent_local(|n| {
                let in_body = Log(&log, "body");
                for steps in [1, 3, 100] {
                    let in_child = Log(&log, "child");
                    let again = n.clone();
                    drop(n.spawn(async move {
                        let _in_child = in_child;
                        for _ in 0..steps {
                            yield_now().await;
                        }
                        drop(again.spawn(pending::<()>()));
                    }));
                }
                async move {
                    let _in_body = in_body;
                    pending::<()>().await;
                }
            }));
            for _ in 0..polls {
                let polled = nursery
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
            }
        }
        let log = log.into_inner();
        if polls == 0 {
            assert!(log.is_empty(), "nothing has begun");
        } else {
            assert_eq!(log, ["child", "child", "child", "body"]);
        }
    }
}

#[test]
fn dropped_at_any_point_it_drops_each_child_once() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for round in 0..25_000 {
        let drops = Arc::new(AtomicUsize::new(0));
        let births = Arc::new(AtomicUsize::new(0));
        let random = RefCell::new(&mut random);
        {
            let (births, drops, random) = (&births, &drops, &random);
            let child = move |depth: u64| {
                births.fetch_add(1, Ordering::Relaxed);
                let on_drop = OnDrop(drops.clone());
                let steps = random.borrow_mut()(4);
                async move {
                    let _on_drop = on_drop;
                    for _ in 0..steps {
                        yield_now().await;
                    }
                    depth
                }
            };
            let mut nursery = Box::pin(concurrent_local(|n| async move {
                let mut waiting = vec![n.spawn(child(3))];
                while let Some(handle) = waiting.pop() {
                    let Ok(depth) = handle.await else {
                        continue;
                    };
                    for _ in 0..depth {
                        let (again, child) = (n.clone(), child(depth - 1));
                        let handle = n.spawn(async move {
                            let _again = again;
                            child.await
                        });
                        match random.borrow_mut()(5) {
                            0 => handle.cancel(),
                            1 => drop(handle),
                            _ => waiting.push(handle),
                        }
                    }
                    if random.borrow_mut()(12) == 0 {
                        n.stop("");
                    }
                }
            }));
            let polls = random.borrow_mut()(20);
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if nursery.as_mut().poll(&mut cx).is_ready() {
                    break;
                }
            }
        }
        let counts = [&births, &drops].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts[0], counts[1], "in round {round}");
    }
}

#[test]
fn a_child_that_spawns_when_it_is_dropped_with_the_nursery_comes_late() {
    struct Spawns<'n, 'l>(SendNursery<'n>, &'l Mutex<Vec<bool>>);
    impl Drop for Spawns<'_, '_> {
        fn drop(&mut self) {
            let mut late = pin!(self.0.spawn(async {}));
            let polled = late.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let is_late = matches!(polled, Poll::Ready(Err(error)) if error.is_late());
            self.1.lock().unwrap().push(is_late);
        }
    }
    let late = Mutex::new(vec![]);
    {
        let mut nursery = pin!(concurrent(|n| {
            for _ in 0..2 {
                let spawns = Spawns(n.clone(), &late);
                drop(n.spawn(async move {
                    let _spawns = spawns;
                    pending::<()>().await;
                }));
            }
            pending::<()>()
        }));
        let polled = nursery
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    assert_eq!(late.into_inner().unwrap(), [true, true]);
}

#[test]
fn tasks_below_a_dropped_nursery_are_stopped() {
    on_one_thread("tasks_below_a_dropped_nursery", || async {
        let task = Rc::new(RefCell::new(None));
        {
            let mut nursery = pin!(concurrent_local(|n| {
                let task = task.clone();
                n.spawn(async move { *task.borrow_mut() = Some(spawn_child(until_stopped())) })
            }));
            poll_fn(|cx| Poll::Ready(nursery.as_mut().poll(cx).is_pending())).await;
            yields(3).await;
            poll_fn(|cx| Poll::Ready(nursery.as_mut().poll(cx).is_pending())).await;
            yields(3).await;
        }
        let task = task.take().expect("the child has run");
        assert_eq!(task.await.unwrap(), Some(StopKind::HandleDropped));
    });
}

#[test]
fn what_is_forgotten_leaks_and_does_no_harm() {
    on_one_thread("what_is_forgotten", || async {
        let drops = Arc::new(AtomicUsize::new(0));
        let text = String::from("borrowed");
        let kept = RefCell::new(None);
        let mut forgotten = Box::pin(concurrent_local(|n| {
            let text = &text;
            let on_drop = OnDrop(drops.clone());
            let handle = n.spawn(async move {
                let _on_drop = on_drop;
                yields(2).await;
                text.len()
            });
            let waiting = n.spawn(async { until_stopped().await });
            *kept.borrow_mut() = Some(handle);
            forget(n);
            forget(waiting);
            pending::<()>()
        }));
        for _ in 0..2 {
            poll_fn(|cx| Poll::Ready(forgotten.as_mut().poll(cx).is_pending())).await;
        }
        forget(forgotten);
        let mut handle = kept.take().unwrap();
        // It has polled its child, and nobody does any more.
        poll_fn(|cx| Poll::Ready(Pin::new(&mut handle).poll(cx).is_pending())).await;
        forget(handle);
        forget(Section::new());
        if let Some(me) = stop_handle() {
            me.stop("a wake of what is forgotten");
        }
        assert_eq!(drops.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_handle_that_is_polled_after_the_outcome_says_so() {
    let mut cx = Context::from_waker(Waker::noop());
    let n = {
        let mut nursery = pin!(concurrent(|n: SendNursery<'static>| async move { n }));
        match nursery.as_mut().poll(&mut cx) {
            Poll::Ready(n) => n,
            Poll::Pending => panic!("nothing to wait for"),
        }
    };
    let mut late = n.spawn(async {});
    assert!(Pin::new(&mut late).poll(&mut cx).is_ready());
    let again = catch_unwind(AssertUnwindSafe(|| {
        let _ = Pin::new(&mut late).poll(&mut cx);
    }));
    let message = message_of(again.unwrap_err());
    assert_eq!(
        message,
        "the handle of a child was polled after it had yielded the outcome"
    );
}

#[test]
fn other_threads_spawn_into_a_nursery_and_wake_its_children() {
    within_patience("other_threads", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        let sum = runtime.block_on(async {
            let notify = Arc::new(Notify::new());
            let sum = Arc::new(AtomicUsize::new(0));
            concurrent(|n: SendNursery<'static>| {
                let tasks = (1..=4).map(|task| {
                    let (n, sum, notify) = (n.clone(), sum.clone(), notify.clone());
                    spawn_child(async move {
                        for _ in 0..500 {
                            let (sum, notify) = (sum.clone(), notify.clone());
                            let child = n.spawn(async move {
                                let signal = spawn(async {});
                                signal.await.unwrap();
                                sum.fetch_add(task, Ordering::Relaxed);
                                notify.notify_one();
                            });
                            child.await.unwrap();
                        }
                    })
                });
                let tasks: Vec<_> = tasks.collect();
                async move {
                    for task in join_all(tasks).await {
                        task.unwrap();
                    }
                }
            })
            .await;
            sum.load(Ordering::Relaxed)
        });
        assert_eq!(sum, 500 * 10);
    });
}

#[test]
fn a_nursery_begun_in_one_task_and_finished_in_another_stays_below_the_first() {
    on_one_thread("begun_in_one_task", || async {
        let (send, receive) = lenio::sync::channel::oneshot();
        let first = spawn(async move {
            let mut nursery = Box::pin(concurrent(|n| async move {
                n.spawn(until_stopped()).await.unwrap()
            }));
            poll_fn(|cx| Poll::Ready(nursery.as_mut().poll(cx).is_pending())).await;
            poll_fn(|cx| Poll::Ready(nursery.as_mut().poll(cx).is_pending())).await;
            let _ = send.send(nursery);
            until_stopped().await
        });
        let second = spawn(async move { receive.await.unwrap().await });
        yields(10).await;
        first.stop("");
        assert_eq!(second.await.unwrap(), Some(StopKind::Requested));
        first.await.unwrap();
    });
}

#[test]
fn a_stop_and_a_completion_at_once_lose_nothing() {
    on_one_thread("stop_and_completion", || async {
        let gate = Event::new();
        let kept = concurrent_local(|n| {
            let gate = &gate;
            async move {
                let child = n.spawn(async move {
                    let passed = gate.wait().or_stop().await;
                    passed.is_ok()
                });
                yields(3).await;
                gate.set();
                n.stop("at the same time");
                child.await.unwrap()
            }
        });
        assert!(kept.await);
    });
}

#[test]
fn timers_in_children_run_side_by_side() {
    on_one_thread("timers", || async {
        let start = lenio::time::Instant::now();
        concurrent(|n| async move {
            for _ in 0..100 {
                drop(n.spawn(lenio::time::sleep(Duration::from_secs(60))));
            }
        })
        .await;
        let passed = lenio::time::Instant::now() - start;
        assert!(passed >= Duration::from_secs(60) && passed < Duration::from_secs(61));
    });
}
