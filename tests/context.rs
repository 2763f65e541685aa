//! Ordinary mistakes of context: each works, or says what is wrong in an error of its own type. None panics, none hangs.
//!
//! | what | where | outcome |
//! |---|---|---|
//! | `block_on` | in a task, in `block_on`, in `spawn_blocking`, on another runtime's thread | works |
//! | a runtime is dropped or shut down | in its own task, in another's, in `spawn_blocking`, in `block_on` | in the background |
//! | `spawn`, `spawn_blocking` | on a runtime that has gone | the handle returns a `JoinError` |
//! | a socket or timer | where there is no runtime | an error, or the default runtime |
//! | a `JoinHandle` | after its runtime has gone | the output if there is one, else a `JoinError` |

mod watchdog;

use lenio::net::{TcpListener, TcpStream};
use lenio::time::{sleep, timeout};
use lenio::{Handle, Runtime};
use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use watchdog::within_patience;

const SHORT: Duration = Duration::from_millis(1);

fn runtime() -> Runtime {
    Runtime::builder()
        .threads(2)
        .build()
        .expect("two threads are to be had")
}

fn on_this_thread() -> Runtime {
    Runtime::builder()
        .current_thread()
        .build()
        .expect("no thread is needed")
}

/// A future that needs everything: the scheduler, a timer, another task.
async fn some_work() -> u8 {
    lenio::yield_now().await;
    sleep(SHORT).await;
    lenio::spawn(async { 7 }).await.unwrap_or(0)
}

/// Runs the scenario on both flavours of runtime.
fn on_both(name: &str, scenario: impl Fn(Runtime) + Clone + Send + 'static) {
    for (flavour, build) in [
        ("threads", runtime as fn() -> Runtime),
        ("current thread", on_this_thread),
    ] {
        let scenario = scenario.clone();
        within_patience(&format!("{name} ({flavour})"), move || scenario(build()));
    }
}

#[test]
fn block_on_in_a_task_works() {
    on_both("block_on in a task", |runtime| {
        let output = runtime.block_on(async {
            lenio::spawn(async { lenio::block_on(some_work()) })
                .await
                .ok()
        });
        assert_eq!(output, Some(7));
    });
}

#[test]
fn block_on_in_every_task_at_once_works() {
    within_patience("more nested block_on than workers", || {
        let runtime = runtime();
        runtime.block_on(async {
            let nested = || lenio::spawn(async { lenio::block_on(some_work()) });
            let handles: Vec<_> = (0..8).map(|_| nested()).collect();
            for handle in handles {
                assert_eq!(handle.await.ok(), Some(7));
            }
        });
    });
}

#[test]
fn block_on_in_block_on_works() {
    on_both("block_on in block_on", |runtime| {
        let output =
            runtime.block_on(async { lenio::block_on(async { lenio::block_on(some_work()) }) });
        assert_eq!(output, 7);
        let output = runtime.block_on(async { runtime.block_on(some_work()) });
        assert_eq!(output, 7);
    });
}

#[test]
fn block_on_in_spawn_blocking_works() {
    on_both("block_on in spawn_blocking", |runtime| {
        let output = runtime.block_on(async {
            lenio::spawn_blocking(|| lenio::block_on(some_work()))
                .await
                .ok()
        });
        assert_eq!(output, Some(7));
    });
}

#[test]
fn a_runtime_in_a_runtime_works() {
    on_both("runtime in runtime", |outer| {
        for build in [runtime as fn() -> Runtime, on_this_thread] {
            let output = outer.block_on(async move {
                let inner = build();
                let inside = inner.block_on(some_work());
                (inside, some_work().await)
            });
            assert_eq!(output, (7, 7));
        }
    });
}

#[test]
fn a_runtime_dropped_in_its_own_task_goes_in_the_background() {
    within_patience("drop in its own task", || {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let task = handle.spawn(async move { drop(runtime) });
        // The task that drops its runtime is the runtime's: it ends, or is cancelled with the others.
        let _ = lenio::block_on(task);
    });
}

#[test]
fn a_runtime_dropped_in_another_s_task_goes_in_the_background() {
    on_both("drop in another's task", |outer| {
        let inner = runtime();
        drop(inner.spawn(pending::<()>()));
        drop(inner.spawn_blocking(|| ()));
        let outcome = outer.block_on(async {
            let dropped = lenio::spawn(async move { drop(inner) }).await;
            dropped.is_ok()
        });
        assert!(outcome);
    });
}

#[test]
fn a_runtime_dropped_in_block_on_goes_in_the_background() {
    on_both("drop in block_on", |outer| {
        outer.block_on(async {
            drop(runtime());
            drop(on_this_thread());
            assert_eq!(some_work().await, 7);
        });
    });
}

#[test]
fn a_runtime_dropped_in_spawn_blocking_ends() {
    within_patience("drop in spawn_blocking", || {
        let outer = runtime();
        let inner = runtime();
        let outcome = outer.block_on(async { lenio::spawn_blocking(move || drop(inner)).await });
        assert!(outcome.is_ok());
    });
}

#[test]
fn a_shutdown_in_async_code_returns_its_report() {
    on_both("shutdown in a task", |outer| {
        outer.block_on(async {
            let inner = runtime();
            drop(inner.spawn(pending::<()>()));
            let _report = inner.shutdown_now(SHORT);
            assert_eq!(some_work().await, 7);
        });
    });
}

#[test]
fn a_task_for_a_runtime_that_has_gone_is_refused_in_its_handle() {
    on_both("spawn after shutdown", |runtime| {
        let handle = runtime.handle().clone();
        let _report = runtime.shutdown_now(SHORT);
        let task = lenio::block_on(handle.spawn(async { 7 }));
        assert!(task.is_err_and(|error| !error.is_panic()));
        let job = lenio::block_on(handle.spawn_blocking(|| 7));
        assert!(job.is_err_and(|error| !error.is_panic()));
    });
}

#[test]
fn a_handle_returns_after_its_runtime_has_gone() {
    on_both("join after drop", |runtime| {
        let done = runtime.spawn(async { 7 });
        let never = runtime.spawn(pending::<()>());
        runtime.block_on(async {
            while !done.is_finished() {
                lenio::yield_now().await;
            }
        });
        drop(runtime);
        assert_eq!(lenio::block_on(done).ok(), Some(7));
        let error = lenio::block_on(never).expect_err("it never ends by itself");
        assert!(error.is_cancelled());
    });
}

#[test]
fn no_runtime_is_an_error_that_can_be_told_from_others() {
    within_patience("Handle::current outside", || {
        let error = Handle::current()
            .map(drop)
            .expect_err("this thread has no runtime");
        assert!(!error.to_string().is_empty());
    });
}

fn poll_outside<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_socket_without_a_runtime_is_an_error() {
    within_patience("socket outside", || {
        for outcome in [
            poll_outside(TcpListener::bind("127.0.0.1:0")).map_ok(drop),
            poll_outside(TcpStream::connect("127.0.0.1:9")).map_ok(drop),
        ] {
            let Poll::Ready(Err(error)) = outcome else {
                panic!("a socket needs a runtime: {outcome:?}");
            };
            assert!(has_own_type(&error), "{error:?}");
            assert!(error.to_string().contains("runtime") || error.to_string().contains("reactor"));
        }
    });
}

fn has_own_type(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.get_ref().is_some()
}

#[test]
fn a_socket_outlives_its_runtime_with_an_error() {
    on_both("socket after its runtime", |runtime| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port is free");
        drop(runtime);
        let outcome = lenio::block_on(timeout(Duration::from_secs(20), listener.accept()));
        let accepted = outcome.expect("waiting for what can never come is worse than an error");
        assert!(accepted.is_err());
    });
}

#[test]
fn a_timer_made_outside_of_a_runtime_fires_inside() {
    on_both("timer made outside", |runtime| {
        let outside = sleep(SHORT);
        runtime.block_on(outside);
        let outside = timeout(SHORT, pending::<()>());
        assert!(runtime.block_on(outside).is_err());
    });
}

#[test]
fn without_a_runtime_the_default_one_serves() {
    within_patience("default runtime", || {
        assert_eq!(lenio::block_on(some_work()), 7);
        let task = lenio::spawn(some_work());
        assert_eq!(lenio::block_on(task).ok(), Some(7));
        let job = lenio::spawn_blocking(|| 7);
        assert_eq!(lenio::block_on(job).ok(), Some(7));
    });
}
