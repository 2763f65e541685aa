//! Making runtimes, of every kind and in tight places (R16).

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{Runtime, block_on, spawn, spawn_blocking, yield_now};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use watchdog::within_patience;

/// Runs `f` on a thread with a stack of 64 KiB.
fn on_a_small_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(64 * 1024).spawn(f);
    thread.unwrap().join().unwrap()
}

#[test]
fn r16_a_runtime_is_made_used_and_dropped_on_a_stack_of_64_kib() {
    within_patience("small stack", || {
        for builder in [
            || Runtime::builder().threads(2),
            || Runtime::builder().threads(64),
            || Runtime::builder().current_thread(),
        ] {
            let sum = on_a_small_stack(move || {
                let runtime = builder().build().unwrap();
                runtime.block_on(async {
                    let task = spawn(async {
                        yield_now().await;
                        1
                    });
                    let job = spawn_blocking(|| 10);
                    task.await.unwrap() + job.await.unwrap()
                })
            });
            assert_eq!(sum, 11);
        }
    });
}

#[test]
fn r16_a_runtime_made_elsewhere_is_used_on_a_stack_of_64_kib() {
    within_patience("small stack elsewhere", || {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        let handle = runtime.handle().clone();
        let sum = on_a_small_stack(move || {
            let tasks: Vec<_> = (0..1000).map(|n| handle.spawn(async move { n })).collect();
            handle.block_on(async {
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(sum, (0..1000).sum());
    });
}

/// Runs `f` on a thread whose stack is large enough for unoptimised code, which moves a value once for each function it passes.
fn on_a_large_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(32 << 20).spawn(f);
    thread.unwrap().join().unwrap()
}

/// A future of `N` bytes that is suspended once, and checks that nothing was lost.
async fn large<const N: usize>(fill: u8) -> usize {
    let bytes = [fill; N];
    yield_now().await;
    bytes.iter().filter(|byte| **byte == fill).count()
}

#[test]
fn r16_futures_of_more_than_100_kib_are_spawned_polled_and_dropped() {
    within_patience("large futures", || {
        for builder in [
            || Runtime::builder().threads(2),
            || Runtime::builder().current_thread(),
        ] {
            assert!(size_of_val(&large::<131_072>(0)) >= 131_072);
            // Workers poll a future where it lies: their stacks are as large as any.
            on_a_large_stack(move || {
                let runtime = builder().build().unwrap();
                runtime.block_on(async {
                    assert_eq!(spawn(large::<131_072>(3)).await.unwrap(), 131_072);
                    assert_eq!(Box::pin(large::<131_072>(4)).await, 131_072);
                    let tasks: Vec<_> = (0..50).map(|n| spawn(large::<102_400>(n))).collect();
                    for task in tasks {
                        assert_eq!(task.await.unwrap(), 102_400);
                    }
                    // Dropped before its first poll, and after.
                    for polls in 0..2 {
                        let task = spawn(large::<131_072>(5));
                        for _ in 0..polls {
                            yield_now().await;
                        }
                        task.cancel();
                        drop(task.await);
                    }
                });
            });
        }
    });
}

#[test]
fn outputs_that_are_large_or_aligned_or_of_no_size_arrive() {
    within_patience("large outputs", || {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        on_a_large_stack(move || {
            runtime.block_on(async {
                let output = spawn(async { [7_u8; 16_384] }).await.unwrap();
                assert!(output.iter().all(|byte| *byte == 7));
                spawn(async {}).await.unwrap();
                let aligned = spawn(async { Aligned(9) }).await.unwrap();
                assert_eq!(aligned.0, 9);
                // With a future that is aligned as strictly.
                let aligned = Aligned(8);
                let address = spawn(async move {
                    let aligned = aligned;
                    yield_now().await;
                    std::ptr::from_ref(&aligned).addr() % 256
                });
                assert_eq!(address.await.unwrap(), 0);
            });
        });
    });
}

#[repr(align(256))]
struct Aligned(u8);

#[test]
fn the_last_choice_of_a_flavour_counts() {
    let threads = |runtime: &Runtime| {
        let metrics = runtime.metrics();
        let workers = metrics.workers.iter();
        workers.filter(|worker| worker.is_thread).count()
    };
    let runtime = Runtime::builder().threads(3).current_thread().build();
    assert_eq!(threads(&runtime.unwrap()), 0);
    let runtime = Runtime::builder().current_thread().threads(3).build();
    assert_eq!(threads(&runtime.unwrap()), 3);
    let runtime = Runtime::builder().threads(0).current_thread().build();
    assert_eq!(threads(&runtime.unwrap()), 0);
    let runtime = Runtime::builder().build().unwrap();
    assert!(threads(&runtime) > 0, "as many as there are cores");
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    for (builder, reason) in [
        (Runtime::builder().threads(0), "worker thread"),
        (
            Runtime::builder().current_thread().blocking_threads(0),
            "blocking thread",
        ),
        (Runtime::builder().name("a\0b"), "NUL"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn any_name_without_nul_will_do() {
    for name in [
        "",
        "a name that is longer than the system keeps",
        "Ω",
        "a/b c",
    ] {
        let runtime = Runtime::builder().threads(1).name(name).build().unwrap();
        let job = runtime.spawn_blocking(|| thread::current().name().map(str::to_owned));
        let seen = runtime.block_on(job).unwrap().unwrap();
        assert!(seen.starts_with(&format!("{name}-blocking-")), "{seen}");
    }
}

#[test]
fn more_workers_than_one_idle_word_holds_do_their_work() {
    within_patience("sixty-four workers", || {
        let runtime = Runtime::builder().threads(64).build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let tasks: Vec<_> = (0..5000)
                .map(|_| {
                    let done = done.clone();
                    spawn(async move {
                        yield_now().await;
                        done.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 5000);
        assert!(runtime.shutdown_now(Duration::from_secs(20)).is_clean());
    });
}

#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static RUNTIME: Runtime = Runtime::builder().current_thread().build().unwrap();
    }
    within_patience("runtime in a thread-local", || {
        let task = thread::Builder::new()
            .spawn(|| {
                RUNTIME.with(|runtime| {
                    let task = runtime.spawn(std::future::pending::<()>());
                    runtime.block_on(yield_now());
                    task
                })
            })
            .unwrap()
            .join()
            .unwrap();
        assert!(block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn runtimes_come_and_go_by_the_hundred() {
    within_patience("two hundred runtimes", || {
        for n in 0..200 {
            let runtime = match n % 2 {
                0 => Runtime::builder().threads(2).build().unwrap(),
                _ => Runtime::builder().current_thread().build().unwrap(),
            };
            let task = runtime.spawn(async move { n });
            assert_eq!(runtime.block_on(task).unwrap(), n);
        }
    });
}
