#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! Which runtime and which task the current thread is inside of, and `block_on` in every place (F6).
//!
//! The facade's test of the same name holds the mistakes that users make; here are the rules behind it.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{
    FAIRNESS_BOUND, Handle, Runtime, block_on, current_task, spawn, spawn_blocking, yield_now,
};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use watchdog::within_patience;

fn one_worker() -> Runtime {
    Runtime::builder().threads(1).name("one").build().unwrap()
}

fn on_this_thread() -> Runtime {
    Runtime::builder()
        .current_thread()
        .name("none")
        .build()
        .unwrap()
}

const BUILDERS: [fn() -> Runtime; 2] = [one_worker, on_this_thread];

const PAIRS: [[fn() -> Runtime; 2]; 4] = [
    [one_worker, one_worker],
    [one_worker, on_this_thread],
    [on_this_thread, one_worker],
    [on_this_thread, on_this_thread],
];

/// A future that needs its runtime to run another task.
async fn some_work() -> u32 {
    yield_now().await;
    spawn(async {
        yield_now().await;
        7
    })
    .await
    .unwrap()
}

/// Where code may stand when it calls `block_on`.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// Directly, in whatever is around it.
    Here,
    /// In a task of the innermost runtime.
    Task,
    /// In a blocking job of the innermost runtime.
    Job,
    /// Behind a guard of `Handle::enter`.
    Entered,
}

const DOORS: [Door; 4] = [Door::Here, Door::Task, Door::Job, Door::Entered];

/// Goes through the doors, `block_on` after each, on the runtime that stands beside it.
fn go_through(doors: Vec<(Door, Handle)>) -> u32 {
    let Some(((door, runtime), rest)) = doors.split_first() else {
        return 7;
    };
    let rest = rest.to_vec();
    let inner = runtime.clone();
    let inside = async move {
        let before = some_work().await;
        let deeper = go_through(rest);
        before * deeper * some_work().await / 49
    };
    match door {
        Door::Here => runtime.block_on(inside),
        Door::Task => runtime.block_on(async {
            let task = spawn(async move { inner.block_on(inside) });
            task.await.unwrap()
        }),
        Door::Job => runtime.block_on(async {
            let job = spawn_blocking(move || inner.block_on(inside));
            job.await.unwrap()
        }),
        Door::Entered => {
            let _inside = runtime.enter();
            block_on(inside)
        }
    }
}

#[test]
fn f6_block_on_works_behind_every_pair_of_doors_of_one_runtime() {
    for builder in BUILDERS {
        for outer in DOORS {
            for inner in DOORS {
                let name = format!("{outer:?}, {inner:?}");
                within_patience(&name, move || {
                    let runtime = builder();
                    let handle = runtime.handle();
                    let doors = vec![(outer, handle.clone()), (inner, handle.clone())];
                    assert_eq!(go_through(doors), 7);
                });
            }
        }
    }
}

#[test]
fn f6_block_on_works_behind_every_pair_of_doors_of_two_runtimes() {
    for builders in PAIRS {
        for outer in DOORS {
            for inner in DOORS {
                let name = format!("{outer:?}, {inner:?}");
                within_patience(&name, move || {
                    let runtimes = builders.map(|build| build());
                    let [first, second] = &runtimes;
                    let doors = vec![
                        (outer, first.handle().clone()),
                        (inner, second.handle().clone()),
                    ];
                    assert_eq!(go_through(doors), 7);
                });
            }
        }
    }
}

#[test]
fn f6_block_on_comes_back_to_a_runtime_through_another_one() {
    // The runtime in the middle hides the outer one's worker, which is this very thread.
    for builders in PAIRS {
        for door in DOORS {
            within_patience(&format!("there and back, {door:?}"), move || {
                let runtimes = builders.map(|build| build());
                let [first, second] = &runtimes;
                let doors = vec![
                    (door, first.handle().clone()),
                    (Door::Here, second.handle().clone()),
                    (Door::Here, first.handle().clone()),
                ];
                assert_eq!(go_through(doors), 7);
            });
        }
    }
}

#[test]
fn f6_more_threads_inside_block_on_than_places_all_finish() {
    for builder in BUILDERS {
        within_patience("ten threads", move || {
            let runtime = builder();
            let threads: Vec<_> = (0..10)
                .map(|_| {
                    let handle = runtime.handle().clone();
                    std::thread::spawn(move || {
                        (0..100).map(|_| handle.block_on(some_work())).sum::<u32>()
                    })
                })
                .collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), 700);
            }
        });
    }
}

/// A `block_on` on a thread of its own whose future ends when it is told to, and says when it is polled.
struct Caller {
    thread: std::thread::JoinHandle<()>,
    waker: Arc<Mutex<Option<Waker>>>,
    end: Arc<AtomicBool>,
    polled: mpsc::Receiver<mpsc::Sender<()>>,
}

impl Caller {
    /// Starts it, and lets its first poll happen.
    fn start(handle: &Handle) -> Self {
        let waker = Arc::<Mutex<Option<Waker>>>::default();
        let end = Arc::<AtomicBool>::default();
        let (send, polled) = mpsc::channel();
        let (slot, is_over, handle) = (waker.clone(), end.clone(), handle.clone());
        let thread = std::thread::spawn(move || {
            handle.block_on(poll_fn(|cx| {
                let is_over = is_over.load(Ordering::SeqCst);
                *slot.lock().unwrap() = Some(cx.waker().clone());
                // Each poll waits for leave to return.
                let (leave, left) = mpsc::channel();
                send.send(leave).unwrap();
                left.recv().unwrap();
                match is_over {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
        });
        let caller = Self {
            thread,
            waker,
            end,
            polled,
        };
        caller.polled.recv().unwrap().send(()).unwrap();
        caller
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap().take().unwrap();
        waker.wake();
    }

    /// Wakes it, lets the poll happen, and returns when it has begun to end.
    fn poll_once(&self) {
        self.wake();
        self.polled.recv().unwrap().send(()).unwrap();
    }

    /// Begins a poll that will be the last, and goes on when the result is used.
    fn begin_to_end(&self) -> mpsc::Sender<()> {
        self.end.store(true, Ordering::SeqCst);
        self.wake();
        self.polled.recv().unwrap()
    }

    fn end(self) {
        self.begin_to_end().send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// Somebody works for the runtime: a task from outside comes to its end.
fn somebody_works(runtime: &Runtime) {
    let task = runtime.spawn(yield_now());
    while !task.is_finished() {
        std::thread::yield_now();
    }
}

/// Threads inside `block_on` that were polled twice, so that they have looked for a place in between.
fn callers<const N: usize>(runtime: &Runtime) -> [Option<Caller>; N] {
    std::array::from_fn(|_| {
        let caller = Caller::start(runtime.handle());
        caller.poll_once();
        Some(caller)
    })
}

#[test]
fn f6_a_waiting_thread_takes_over_the_place_when_its_holder_leaves() {
    for order in [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ] {
        within_patience(&format!("leaving: 0, {order:?}"), move || {
            let runtime = on_this_thread();
            let mut inside: [_; 4] = callers(&runtime);
            somebody_works(&runtime);
            inside[0].take().unwrap().end();
            for next in order {
                somebody_works(&runtime);
                inside[next].take().unwrap().end();
            }
        });
    }
}

#[test]
fn f6_a_thread_that_is_called_to_a_place_and_needs_it_no_more_calls_the_next() {
    // Which of the waiting threads is called is nobody's business: each of them is tried as the one that is just ending.
    for ending in 1..4 {
        within_patience(&format!("called and gone: {ending}"), move || {
            let runtime = on_this_thread();
            let mut inside: [_; 4] = callers(&runtime);
            let called = inside[ending].take().unwrap();
            let goes_on = called.begin_to_end();
            // It is in its last poll. The place becomes free, it is called, perhaps; and then it ends without ever looking.
            inside[0].take().unwrap().end();
            goes_on.send(()).unwrap();
            called.thread.join().unwrap();
            somebody_works(&runtime);
            inside.into_iter().flatten().for_each(Caller::end);
        });
    }
}

#[test]
fn a_thread_that_waits_for_a_place_is_inside_the_runtime() {
    within_patience("waiting is inside", || {
        let runtime = on_this_thread();
        let first = Caller::start(runtime.handle());
        let handle = runtime.handle().clone();
        let outside = std::thread::spawn(move || {
            let name = handle.block_on(async { name_of_current() });
            (name, name_of_current())
        });
        assert_eq!(outside.join().unwrap(), (Some("none".into()), None));
        first.end();
    });
}

/// The name of the runtime that this thread is inside of, as its handle shows it.
fn name_of_current() -> Option<String> {
    let handle = Handle::current().ok()?;
    let text = format!("{handle:?}");
    let (_, rest) = text.split_once("name: \"").unwrap();
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

#[test]
fn enter_nests_and_returns_to_the_outer_runtime() {
    let (one, none) = (one_worker(), on_this_thread());
    assert_eq!(name_of_current(), None);
    let outer = one.handle().enter();
    assert_eq!(name_of_current().as_deref(), Some("one"));
    let inner = none.handle().enter();
    assert_eq!(name_of_current().as_deref(), Some("none"));
    let again = one.handle().enter();
    assert_eq!(name_of_current().as_deref(), Some("one"));
    drop(again);
    assert_eq!(name_of_current().as_deref(), Some("none"));
    drop(inner);
    assert_eq!(name_of_current().as_deref(), Some("one"));
    drop(outer);
    assert_eq!(name_of_current(), None);
}

#[test]
fn guards_of_enter_that_go_in_any_order_leave_no_runtime_behind() {
    // Both runtimes outlive all guards, so that a guard that points to the wrong one shows here and not in a crash.
    let (one, none) = (one_worker(), on_this_thread());
    let outer = one.handle().enter();
    let inner = none.handle().enter();
    drop(outer);
    assert_eq!(name_of_current().as_deref(), Some("none"), "still inside");
    drop(inner);
    assert_eq!(name_of_current(), None);
}

#[test]
fn a_guard_of_enter_that_leaves_block_on_does_not_bring_the_runtime_back() {
    let (one, none) = (one_worker(), on_this_thread());
    for runtime in [&one, &none] {
        let guard = runtime.block_on(async { none.handle().enter() });
        drop(guard);
        assert_eq!(name_of_current(), None);
    }
}

#[test]
fn the_current_runtime_is_known_in_tasks_jobs_and_block_on_only() {
    let runtime = one_worker();
    let error = Handle::current().map(drop).unwrap_err();
    assert_eq!(error.to_string(), "this thread is not inside a runtime");
    let inside = runtime.block_on(async {
        let task = spawn(async { name_of_current() });
        let job = spawn_blocking(name_of_current);
        (name_of_current(), task.await.unwrap(), job.await.unwrap())
    });
    let one = || Some(String::from("one"));
    assert_eq!(inside, (one(), one(), one()));
    let elsewhere = runtime.block_on(async {
        let outside = std::thread::spawn(name_of_current);
        outside.join().unwrap()
    });
    assert_eq!(elsewhere, None);
    assert_eq!(name_of_current(), None);
}

#[test]
fn the_runtime_is_current_in_the_drop_of_its_tasks() {
    struct Report(mpsc::Sender<Option<String>>);
    impl Drop for Report {
        fn drop(&mut self) {
            self.0.send(name_of_current()).unwrap();
        }
    }
    let (send, names) = mpsc::channel();
    for builder in BUILDERS {
        let runtime = builder();
        let report = Report(send.clone());
        drop(runtime.spawn(async move {
            let _report = report;
            std::future::pending::<()>().await;
        }));
        runtime.block_on(yield_now());
        drop(runtime);
    }
    assert_eq!(names.recv().unwrap().as_deref(), Some("one"));
    assert_eq!(names.recv().unwrap().as_deref(), Some("none"));
}

#[test]
fn a_task_knows_its_id_and_nobody_else_has_one() {
    for builder in BUILDERS {
        let runtime = builder();
        assert_eq!(current_task(), None);
        runtime.block_on(async {
            assert_eq!(current_task(), None, "the root future is no task");
            let task = spawn(async {
                let first = current_task();
                yield_now().await;
                assert_eq!(current_task(), first, "the same after a suspension");
                first
            });
            let id = task.id();
            assert_eq!(task.await.unwrap(), Some(id));
            let job = spawn_blocking(current_task);
            let id = job.id();
            assert_eq!(job.await.unwrap(), Some(id), "a job is a task as well");
            assert_eq!(current_task(), None);
        });
    }
}

#[test]
fn a_task_knows_its_id_after_a_nested_block_on_that_ran_other_tasks() {
    for builder in BUILDERS {
        let runtime = builder();
        runtime.block_on(async {
            let task = spawn(async {
                block_on(async {
                    let outer = current_task();
                    assert!(outer.is_some(), "it goes on behalf of the task");
                    // More than one poll of others, so that some of them happen right here.
                    let others: Vec<_> = (0..FAIRNESS_BOUND)
                        .map(|_| spawn(async { current_task() }))
                        .collect();
                    for other in others {
                        let id = other.id();
                        assert_eq!(other.await.unwrap(), Some(id));
                    }
                    assert_eq!(current_task(), outer, "still the same");
                });
                current_task()
            });
            let id = task.id();
            assert_eq!(task.await.unwrap(), Some(id));
        });
    }
}

#[test]
fn a_refused_spawn_and_a_panic_leave_the_current_runtime_alone() {
    let runtime = one_worker();
    let dead = on_this_thread();
    let gone = dead.handle().clone();
    drop(dead);
    runtime.block_on(async {
        assert!(gone.spawn(async {}).await.unwrap_err().is_refused());
        assert_eq!(name_of_current().as_deref(), Some("one"));
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _inside = gone.enter();
            assert_eq!(name_of_current().as_deref(), Some("none"));
            resume_unwind(Box::new(()));
        }));
        assert!(unwound.is_err());
        assert_eq!(name_of_current().as_deref(), Some("one"));
    });
}

#[test]
fn f19_a_root_future_that_yields_for_ever_does_not_starve_what_it_spawned() {
    for builder in BUILDERS {
        within_patience("what the root spawned", move || {
            let runtime = builder();
            runtime.block_on(async {
                let task = spawn(async { 7 });
                while !task.is_finished() {
                    yield_now().await;
                }
                assert_eq!(task.await.unwrap(), 7);
            });
        });
    }
}
