//! Futures gathered as parallel tasks: outputs, errors, stops, and that nobody is left.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::gather::{
    TryJoinError, as_completed, join_all, map, map_blocking, race, try_join_all,
};
use lenio_executor::{
    Grace, JoinSet, Runtime, StopExt, StopPolicy, check_stop, on_exit, scope, spawn, stop_handle,
    yield_now,
};
use lenio_sync::event::Event;
use lenio_sync::stop::{StopKind, StopReason, Stopped};
use std::error::Error;
use std::future::{Future, Ready, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use watchdog::within_patience;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn on_one_thread<F: Future<Output = ()>>(
    name: &str,
    scenario: impl FnOnce() -> F + Send + 'static,
) {
    within_patience(name, || {
        let runtime = Runtime::builder().current_thread().virtual_clock().build();
        runtime.unwrap().block_on(scenario());
    });
}

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn until_stopped() -> Stopped {
    let waited: Result<(), Stopped> = pending().or_stop().await;
    waited.unwrap_err()
}

/// Awaits, and takes a panic as an error.
async fn caught<F: Future>(future: F) -> Result<F::Output, &'static str> {
    let mut future = Box::pin(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic.downcast_ref().copied().unwrap_or("another"))),
        },
    )
    .await
}

/// Forgets a value in a way that leak checkers do not report: what is leaked can still be found from here.
fn forget<T>(value: T) {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let place = Box::into_raw(Box::new(value)).expose_provenance();
    KEPT.lock().unwrap().push(place);
}

/// Counts those that are alive.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one(&self) -> impl Drop + Send + use<> {
        struct One(Arc<AtomicUsize>);
        impl Drop for One {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        One(self.0.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn g20_outputs_come_in_order_whoever_finishes_first() {
    on_one_thread("in_order", || async {
        let joined = join_all([3, 0, 2].map(|n| async move {
            yields(n).await;
            n
        }));
        assert_eq!(joined.await.unwrap(), [3, 0, 2]);
        let mapped = map(["a", "bb"], |text| async move { text.len() });
        assert_eq!(mapped.await.unwrap(), [1, 2]);
    });
}

#[test]
fn g20_of_nothing_comes_nothing_at_once() {
    on_one_thread("nothing", || async {
        let mut cx = Context::from_waker(Waker::noop());
        let none = Vec::<Ready<u8>>::new;
        assert!(
            matches!(pin!(join_all(none())).poll(&mut cx), Poll::Ready(Ok(all)) if all.is_empty())
        );
        assert!(matches!(
            pin!(race(none())).poll(&mut cx),
            Poll::Ready(Ok(None))
        ));
        let tried = try_join_all(Vec::<Ready<Result<u8, ()>>>::new());
        assert!(matches!(pin!(tried).poll(&mut cx), Poll::Ready(Ok(all)) if all.is_empty()));
        let blocking = map_blocking(Vec::<u8>::new(), |n| n);
        assert!(matches!(pin!(blocking).poll(&mut cx), Poll::Ready(Ok(all)) if all.is_empty()));
        assert!(as_completed(none()).is_empty());
        // Not even a stop is in the way.
        stop_handle().unwrap().stop("");
        assert!(matches!(
            pin!(join_all(none())).poll(&mut cx),
            Poll::Ready(Ok(_))
        ));
        assert!(matches!(
            pin!(race(none())).poll(&mut cx),
            Poll::Ready(Ok(None))
        ));
    });
}

#[test]
fn futures_run_in_parallel() {
    within_patience("parallel", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        runtime.block_on(async {
            // Two that wait for each other, each holding its thread.
            let barrier = Arc::new(Barrier::new(2));
            let meet = || {
                let barrier = barrier.clone();
                async move { barrier.wait().is_leader() }
            };
            let met = join_all([meet(), meet()]).await.unwrap();
            assert_eq!(met.into_iter().filter(|is_leader| *is_leader).count(), 1);
            let waits = barrier.clone();
            let met = map_blocking([1, 2], move |n| {
                waits.wait();
                n
            });
            assert_eq!(met.await.unwrap(), [1, 2]);
        });
    });
}

#[test]
fn nothing_begins_before_the_first_poll() {
    on_one_thread("before_the_first_poll", || async {
        let ran = Arc::new(AtomicUsize::new(0));
        let one = || {
            let ran = ran.clone();
            async move {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok::<_, ()>(())
            }
        };
        let blocking = ran.clone();
        let all = (
            join_all([one()]),
            try_join_all([one()]),
            race([one()]),
            map_blocking([1], move |n| blocking.fetch_add(n, Ordering::SeqCst)),
        );
        yields(5).await;
        drop(all);
        yields(5).await;
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn after_a_panic_a_join_lets_the_others_finish_and_passes_it_on() {
    on_one_thread("join_panics", || async {
        let finished = Arc::new(AtomicUsize::new(0));
        let count = finished.clone();
        let futures: [Boxed<()>; 2] = [
            Box::pin(async { panic!("no luck") }),
            Box::pin(async move {
                yields(5).await;
                assert!(check_stop().is_ok());
                count.fetch_add(1, Ordering::SeqCst);
            }),
        ];
        assert_eq!(caught(join_all(futures)).await.unwrap_err(), "no luck");
        assert_eq!(finished.load(Ordering::SeqCst), 1);
        let blocking = caught(map_blocking([1, 2], |n| {
            if n == 1 {
                panic!("at one")
            }
        }));
        assert_eq!(blocking.await.unwrap_err(), "at one");
    });
}

#[test]
fn g20_the_first_error_stops_the_others_and_is_returned_when_they_are_gone() {
    on_one_thread("fail_fast", || async {
        let kinds = Arc::new(Mutex::new(vec![]));
        let patient = || {
            let kinds = kinds.clone();
            async move {
                let kind = until_stopped().await.reason().kind();
                yields(7).await;
                kinds.lock().unwrap().push(kind);
                Ok(0)
            }
        };
        let failing: Boxed<Result<u8, &str>> = Box::pin(async {
            yields(2).await;
            Err("first")
        });
        let late: Boxed<Result<u8, &str>> = Box::pin(async {
            until_stopped().await;
            Err("second")
        });
        let futures = [Box::pin(patient()), failing, late, Box::pin(patient())];
        let Err(TryJoinError::Failed(error)) = try_join_all(futures).await else {
            panic!("one has failed");
        };
        assert_eq!((error.first, error.rest), ("first", vec!["second"]));
        assert_eq!(*kinds.lock().unwrap(), [StopKind::SiblingFailed; 2]);
    });
}

#[test]
fn values_of_a_try_join_come_in_order() {
    on_one_thread("values", || async {
        let values = try_join_all([2, 0, 1].map(|n| async move {
            yields(n).await;
            Ok::<_, ()>(n)
        }));
        assert_eq!(values.await.unwrap(), [2, 0, 1]);
    });
}

#[test]
fn g20_the_first_to_finish_wins_and_the_losers_are_gone_when_it_returns() {
    on_one_thread("race", || async {
        let alive = Alive::default();
        let cleaned = Arc::new(AtomicUsize::new(0));
        let runner = |length: usize| {
            let (one, cleaned) = (alive.one(), cleaned.clone());
            async move {
                let _one = one;
                for _ in 0..length {
                    if let Err(stopped) = yield_now().or_stop().await {
                        assert_eq!(stopped.reason().kind(), StopKind::ParentFinished);
                        yields(3).await;
                        cleaned.fetch_add(1, Ordering::SeqCst);
                        return "stopped";
                    }
                }
                "arrived"
            }
        };
        let won = race([runner(1000), runner(4), runner(2000)]).await.unwrap();
        assert_eq!(won, Some("arrived"));
        assert_eq!((alive.count(), cleaned.load(Ordering::SeqCst)), (0, 2));
        assert!(check_stop().is_ok());
    });
}

#[test]
fn a_loser_that_ignores_the_stop_is_cancelled_at_the_end_of_the_grace() {
    on_one_thread("race_with_grace", || async {
        let alive = Alive::default();
        let one = alive.one();
        let start = lenio_time::Instant::now();
        let deaf: Boxed<&str> = Box::pin(async move {
            let _one = one;
            pending().await
        });
        let quick: Boxed<&str> = Box::pin(async {
            yields(2).await;
            "quick"
        });
        assert_eq!(race([deaf, quick]).await.unwrap(), Some("quick"));
        assert_eq!(alive.count(), 0);
        let passed = lenio_time::Instant::now() - start;
        let Some(soft) = StopPolicy::native().grace.soft else {
            panic!("the default has a grace");
        };
        assert!(
            passed >= soft && passed <= soft + Duration::from_secs(1),
            "{passed:?}"
        );
    });
}

#[test]
fn a_race_passes_on_the_panic_of_a_loser_too() {
    on_one_thread("race_panics", || async {
        let futures: [Boxed<u8>; 2] = [
            Box::pin(async {
                until_stopped().await;
                panic!("sore loser")
            }),
            Box::pin(async {
                yields(2).await;
                1
            }),
        ];
        assert_eq!(caught(race(futures)).await.unwrap_err(), "sore loser");
    });
}

#[test]
fn outputs_of_losers_are_dropped() {
    on_one_thread("losers_outputs", || async {
        let alive = Alive::default();
        let runner = || {
            let alive = alive.clone();
            async move {
                yield_now().await;
                alive.one()
            }
        };
        let winner = race((0..5).map(|_| runner())).await.unwrap();
        assert_eq!(alive.count(), 1);
        drop(winner);
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn g20_a_stop_of_the_task_yields_one_stop_with_its_reason() {
    on_one_thread("stopped_from_outside", || async {
        let reason = || StopReason::new(StopKind::Requested).with_message("enough");
        // Stopped before their first poll, the futures have no output.
        let joins = spawn(async move {
            stop_handle().unwrap().stop_because(reason());
            let unpolled = || pending::<Result<u8, &str>>();
            let joined = join_all([unpolled(), unpolled()]).await.unwrap_err();
            let mapped = map_blocking([1, 2], |n: u8| n).await.unwrap_err();
            let Err(TryJoinError::Stopped(tried)) = try_join_all([unpolled(), unpolled()]).await
            else {
                panic!("none has failed");
            };
            let raced = race([unpolled(), unpolled()]).await.unwrap_err();
            [joined, mapped, tried, raced].map(|stopped| stopped.to_string())
        });
        assert_eq!(joins.await.unwrap(), ["enough"; 4]);
    });
}

#[test]
fn futures_that_ignore_the_stop_of_the_task_are_cancelled_and_yield_its_reason() {
    on_one_thread("cancelled_by_grace", || async {
        let task = spawn(async {
            let all = join_all([pending::<u8>(), pending()]);
            // The task itself is dropped at the end of the grace, when those below are gone.
            all.await.map(|_| ())
        });
        yields(5).await;
        task.stop_handle().stop_within("quick", Grace::NONE);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn outputs_in_spite_of_a_stop_count() {
    on_one_thread("in_spite_of_a_stop", || async {
        let task = spawn(async {
            let wait = || async { until_stopped().await.to_string() };
            let joined = join_all([wait(), wait()]).await;
            let raced = race([wait(), wait()]).await;
            (joined.unwrap(), raced.is_err())
        });
        yields(5).await;
        task.stop("enough");
        let (joined, race_was_stopped) = task.await.unwrap();
        assert_eq!(joined, ["enough"; 2]);
        assert!(race_was_stopped, "born stopped");
    });
}

#[test]
fn an_error_that_is_merely_a_stop_is_no_failure() {
    on_one_thread("merely_a_stop", || async {
        let task = spawn(async {
            let wait = || async {
                pending::<()>().or_stop().await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(1)
            };
            match try_join_all([wait(), wait()]).await {
                Err(TryJoinError::Stopped(stopped)) => stopped.to_string(),
                other => panic!("{other:?}"),
            }
        });
        yields(5).await;
        task.stop("from outside");
        assert_eq!(task.await.unwrap(), "from outside");
    });
}

#[test]
fn g20_a_real_failure_outweighs_the_stops_that_it_causes() {
    on_one_thread("outweighs", || async {
        type Failure = Box<dyn Error + Send + Sync>;
        let wait: Boxed<Result<u8, Failure>> = Box::pin(async {
            pending::<()>().or_stop().await?;
            Ok(1)
        });
        let fail: Boxed<Result<u8, Failure>> = Box::pin(async {
            yields(3).await;
            Err("disk on fire".into())
        });
        let error = try_join_all([wait, fail]).await.unwrap_err();
        assert_eq!(error.to_string(), "disk on fire");
    });
}

#[test]
fn a_dropped_gathering_stops_its_tasks_and_the_task_around_waits_for_them() {
    on_one_thread("dropped", || async {
        let alive = Alive::default();
        let kinds = Arc::new(Mutex::new(vec![]));
        let work = || {
            let (one, kinds) = (alive.one(), kinds.clone());
            async move {
                let _one = one;
                let kind = until_stopped().await.reason().kind();
                yields(5).await;
                kinds.lock().unwrap().push(kind);
            }
        };
        let futures: Vec<_> = (0..3).map(|_| work()).collect();
        let races: Vec<_> = (0..2).map(|_| work()).collect();
        let task = spawn(async move {
            let mut joined = Box::pin(join_all(futures));
            let mut raced = Box::pin(race(races));
            for _ in 0..3 {
                poll_fn(|cx| {
                    assert!(joined.as_mut().poll(cx).is_pending());
                    assert!(raced.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                yields(3).await;
            }
        });
        task.await.unwrap();
        assert_eq!(alive.count(), 0);
        assert_eq!(*kinds.lock().unwrap(), [StopKind::HandleDropped; 5]);
    });
}

#[test]
fn a_forgotten_gathering_runs_until_the_end_of_its_task() {
    on_one_thread("forgotten", || async {
        let alive = Alive::default();
        let works: Vec<_> = (0..6)
            .map(|_| {
                let one = alive.one();
                async move {
                    let _one = one;
                    until_stopped().await;
                    Ok::<_, ()>(())
                }
            })
            .collect();
        let task = spawn(async move {
            let mut works = works.into_iter();
            let mut two = || works.by_ref().take(2).collect::<Vec<_>>();
            let mut all = (
                Box::pin(join_all(two())),
                Box::pin(try_join_all(two())),
                Box::pin(race(two())),
            );
            poll_fn(|cx| {
                let is_pending = all.0.as_mut().poll(cx).is_pending()
                    && all.1.as_mut().poll(cx).is_pending()
                    && all.2.as_mut().poll(cx).is_pending();
                assert!(is_pending);
                Poll::Ready(())
            })
            .await;
            yields(3).await;
            forget(all);
        });
        task.await.unwrap();
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn as_completed_yields_children_as_they_finish() {
    on_one_thread("as_completed", || async {
        let gates = [(); 3].map(|()| Arc::new(Event::new()));
        let waits = gates.iter().cloned().enumerate();
        let mut set: JoinSet<usize> = as_completed(waits.map(|(number, gate)| async move {
            gate.wait().await;
            number
        }));
        for number in [2, 0, 1] {
            gates[number].set();
            assert_eq!(set.join_next().await.unwrap().unwrap(), number);
        }
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_stop_of_the_task_reaches_what_as_completed_has_started() {
    on_one_thread("as_completed_stops", || async {
        let task = spawn(async {
            let mut set = as_completed([until_stopped()]);
            set.join_next().await.unwrap().unwrap().to_string()
        });
        yields(5).await;
        task.stop("all of you");
        assert_eq!(task.await.unwrap(), "all of you");
    });
}

#[test]
fn cleanup_of_the_tasks_has_run_when_the_join_returns() {
    on_one_thread("cleanup", || async {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let work = || {
            let cleaned = cleaned.clone();
            async move {
                on_exit(async move {
                    yields(4).await;
                    cleaned.fetch_add(1, Ordering::SeqCst);
                });
            }
        };
        join_all([work(), work()]).await.unwrap();
        assert_eq!(cleaned.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_race_of_many_has_one_winner() {
    within_patience("a_race_of_many", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        runtime.block_on(async {
            for _ in 0..200 {
                let finished = Arc::new(AtomicUsize::new(0));
                let runners = (0..8).map(|number| {
                    let finished = finished.clone();
                    async move {
                        yield_now().await;
                        finished.fetch_add(1, Ordering::SeqCst);
                        number
                    }
                });
                let won = race(runners).await.unwrap();
                assert!(won.is_some_and(|number| number < 8));
                let when_it_returned = finished.load(Ordering::SeqCst);
                yields(3).await;
                assert_eq!(finished.load(Ordering::SeqCst), when_it_returned);
            }
        });
    });
}

#[test]
fn a_task_ends_although_its_scope_and_the_last_child_end_at_once() {
    within_patience("at_once", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        let task = runtime.spawn(async {
            for _ in 0..2_000 {
                let running = scope(|s| async move {
                    for _ in 0..8 {
                        let same = s.clone();
                        drop(s.spawn(async move {
                            yield_now().await;
                            // Wakes the scope while others of its children end.
                            same.stop("");
                        }));
                    }
                });
                running.await;
            }
        });
        runtime.block_on(task).unwrap();
    });
}
