#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! Task-local values: where they are in force, and where they are not.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{
    FAIRNESS_BOUND, LocalSet, Runtime, TaskLocal, block_on, spawn, spawn_blocking, spawn_local,
    yield_now,
};
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use watchdog::within_patience;

static NUMBER: TaskLocal<u32> = TaskLocal::new();
static OTHER: TaskLocal<u32> = TaskLocal::new();
static TEXT: TaskLocal<String> = TaskLocal::new();

fn number() -> Option<u32> {
    NUMBER.cloned().ok()
}

fn poll_here<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn outside_of_a_scope_there_is_no_value() {
    let error = NUMBER.cloned().unwrap_err();
    assert_eq!(error.to_string(), "the task-local value is not set here");
    assert_eq!(NUMBER.with(|_| ()), Err(error));
    block_on(async {
        assert_eq!(number(), None);
        NUMBER.scope(1, yield_now()).await;
        assert_eq!(number(), None);
    });
}

#[test]
fn inner_scopes_hide_outer_ones_and_only_those_of_the_same_key() {
    block_on(NUMBER.scope(1, async {
        assert_eq!(number(), Some(1));
        OTHER
            .scope(10, async {
                NUMBER
                    .scope(2, async {
                        yield_now().await;
                        assert_eq!(number(), Some(2));
                        assert_eq!(OTHER.cloned(), Ok(10));
                    })
                    .await;
                assert_eq!(number(), Some(1));
            })
            .await;
        assert!(OTHER.cloned().is_err());
        TEXT.scope("lent".into(), async {
            assert_eq!(TEXT.with(String::len), Ok(4));
        })
        .await;
    }));
}

#[test]
fn a_value_is_not_inherited_by_what_is_spawned() {
    let set = LocalSet::new();
    block_on(NUMBER.scope(1, async {
        assert_eq!(spawn(async { number() }).await.unwrap(), None);
        assert_eq!(spawn_blocking(number).await.unwrap(), None);
        let thread = std::thread::spawn(number);
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(number(), Some(1));
    }));
    // Nor by a local task whose set happens to be driven within the scope.
    block_on(NUMBER.scope(
        1,
        set.run_until(async {
            assert_eq!(number(), Some(1), "the future itself is within the scope");
            assert_eq!(spawn_local(async { number() }).await.unwrap(), None);
        }),
    ));
}

#[test]
fn a_value_is_not_lent_to_the_tasks_that_a_nested_block_on_polls() {
    within_patience("nested block_on", || {
        for builder in [
            || Runtime::builder().current_thread(),
            || Runtime::builder().threads(1),
        ] {
            let runtime = builder().build().unwrap();
            runtime.block_on(async {
                let task = spawn(NUMBER.scope(1, async {
                    let others: Vec<_> = (0..FAIRNESS_BOUND)
                        .map(|_| spawn(async { number() }))
                        .collect();
                    block_on(async {
                        assert_eq!(number(), Some(1), "code that the task calls is its own");
                        for other in others {
                            assert_eq!(other.await.unwrap(), None, "a task of its own");
                            assert_eq!(number(), Some(1));
                        }
                    });
                    number()
                }));
                assert_eq!(task.await.unwrap(), Some(1));
            });
        }
    });
}

#[test]
fn a_task_carries_its_value_from_thread_to_thread() {
    within_patience("across threads", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..200)
                .map(|n| {
                    spawn(NUMBER.scope(n, async move {
                        for _ in 0..50 {
                            assert_eq!(number(), Some(n));
                            yield_now().await;
                        }
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    // And for certain: polled here, there, and here again.
    let mut scope = Box::pin(NUMBER.scope(5, async {
        for _ in 0..3 {
            assert_eq!(number(), Some(5));
            yield_now().await;
        }
        number()
    }));
    assert!(poll_here(scope.as_mut()).is_pending());
    let mut scope = std::thread::spawn(move || {
        assert!(poll_here(scope.as_mut()).is_pending());
        assert_eq!(number(), None);
        scope
    })
    .join()
    .unwrap();
    assert!(poll_here(scope.as_mut()).is_pending());
    assert_eq!(number(), None, "in force during polls only");
    assert_eq!(poll_here(scope.as_mut()), Poll::Ready(Some(5)));
}

#[test]
fn interleaved_scopes_see_their_own_values() {
    let scope = |n| {
        Box::pin(NUMBER.scope(n, async move {
            for _ in 0..10 {
                assert_eq!(number(), Some(n));
                yield_now().await;
            }
        }))
    };
    let mut scopes: Vec<_> = (0..10).map(scope).collect();
    for _ in 0..10 {
        for scope in &mut scopes {
            assert!(poll_here(scope.as_mut()).is_pending());
        }
    }
    for scope in &mut scopes {
        assert!(poll_here(scope.as_mut()).is_ready());
    }
}

#[test]
fn f1_a_panic_takes_the_value_out_of_force() {
    let mut outer = Box::pin(NUMBER.scope(1, async {
        let mut inner = Box::pin(NUMBER.scope(2, async {
            assert_eq!(number(), Some(2));
            resume_unwind(Box::new(()))
        }));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            poll_here::<dyn Future<Output = ()>>(inner.as_mut())
        }));
        assert!(polled.is_err());
        assert_eq!(number(), Some(1));
        resume_unwind(Box::new(()))
    }));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        poll_here::<dyn Future<Output = ()>>(outer.as_mut())
    }));
    assert!(polled.is_err());
    assert_eq!(number(), None);
    // The same on a worker, seen by the task that it polls next.
    let runtime = Runtime::builder().threads(1).build().unwrap();
    let panics = runtime.spawn(NUMBER.scope(3, async { resume_unwind(Box::new(())) }));
    let after = runtime.spawn(async { number() });
    assert!(block_on(panics).unwrap_err().is_panic());
    assert_eq!(block_on(after).unwrap(), None);
}

#[test]
fn a_value_is_dropped_with_its_scope_wherever_that_is() {
    struct OnDrop(Rc<Cell<u32>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    static KEY: TaskLocal<OnDrop> = TaskLocal::new();
    let drops = Rc::new(Cell::new(0));
    // Never polled, polled, and finished.
    drop(KEY.scope(OnDrop(drops.clone()), async {}));
    assert_eq!(drops.get(), 1);
    let mut scope = Box::pin(KEY.scope(OnDrop(drops.clone()), yield_now()));
    assert!(poll_here(scope.as_mut()).is_pending());
    drop(scope);
    assert_eq!(drops.get(), 2);
    block_on(KEY.scope(OnDrop(drops.clone()), async {
        assert_eq!(KEY.with(|value| value.0.get()), Ok(2));
    }));
    assert_eq!(drops.get(), 3);
}

#[test]
fn a_value_may_be_used_while_it_is_borrowed_already() {
    let set = LocalSet::new();
    block_on(set.run_until(NUMBER.scope(1, async {
        let sum = NUMBER.with(|outer| {
            let inner = NUMBER.with(|inner| *inner).unwrap();
            let mut hidden =
                Box::pin(NUMBER.scope(10, poll_fn(|_| Poll::Ready(number().unwrap()))));
            let Poll::Ready(innermost) = poll_here(hidden.as_mut()) else {
                unreachable!("it is ready at once")
            };
            outer + inner + innermost
        });
        assert_eq!(sum, Ok(12));
    })));
}
