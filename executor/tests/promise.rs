//! G22: tasks that are completed by hand, and their stops.

use lenio_executor::{Builder, JoinError, Runtime, StopPolicy, promise, scope, spawn, yield_now};
use std::error::Error;
use std::sync::{Arc, Mutex};

fn builders() -> [Builder; 3] {
    let policies = [
        StopPolicy::native(),
        StopPolicy::gentletask(),
        StopPolicy::detached(),
    ];
    policies.map(|policy| Runtime::builder().threads(2).stop_policy(policy))
}

fn stops_gently(policy: usize) -> bool {
    policy < 2
}

#[test]
fn g22_what_comes_first_counts() {
    for builder in builders() {
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            let (completer, kept) = promise();
            assert_eq!(completer.complete(1), Ok(()));
            kept.stop("too late, it is kept");
            assert_eq!(kept.await.unwrap(), 1);

            let (completer, stopped) = promise::<u32>();
            yield_now().await;
            stopped.stop("enough");
            let error = stopped.await.unwrap_err();
            assert!(error.is_stopped() || error.is_cancelled(), "{error}");
            assert_eq!(
                error.reason().and_then(|reason| reason.message()),
                Some("enough")
            );
            assert_eq!(completer.complete(2), Err(2));

            let (completer, dropped) = promise::<u32>();
            drop(completer);
            let error = dropped.await.unwrap_err();
            assert!(error.is_failed());
            assert!(error.source().is_some());

            let (completer, cancelled) = promise::<u32>();
            cancelled.cancel();
            assert!(cancelled.await.unwrap_err().is_cancelled());
            assert_eq!(completer.complete(3), Err(3));
        });
    }
}

#[test]
fn g22_a_callback_of_the_stop_may_complete_or_fail_and_wins() {
    for (policy, builder) in builders()
        .into_iter()
        .enumerate()
        .filter(|(policy, _)| stops_gently(*policy))
    {
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            for round in 0..200 {
                let (completer, answer) = promise();
                let stop = completer.stop_handle().clone();
                let callback = stop.on_stop(move || completer.complete(42).unwrap());
                if round % 2 == 0 {
                    yield_now().await;
                }
                answer.stop("now");
                assert_eq!(answer.await.unwrap(), 42, "policy {policy}");
                drop(callback);

                let (completer, answer) = promise::<()>();
                let stop = completer.stop_handle().clone();
                let callback = stop.on_stop(move || completer.fail("broken"));
                answer.stop("now");
                assert!(answer.await.unwrap_err().is_failed());
                drop(callback);
            }
        });
    }
}

#[test]
fn g22_a_producer_that_polls_the_flag_never_beats_the_stop_with_its_error() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    runtime.block_on(async {
        for _ in 0..2_000 {
            let (completer, answer) = promise::<()>();
            let producer = lenio_executor::spawn_blocking(move || {
                while !completer.stop_handle().is_stopped() {
                    std::hint::spin_loop();
                }
                completer.fail("I saw the flag");
            });
            answer.stop("enough");
            let error: JoinError = answer.await.unwrap_err();
            assert!(error.is_stopped(), "{error}");
            producer.await.unwrap();
        }
    });
}

#[test]
fn g01_of_a_race_of_complete_fail_and_stop_everybody_sees_one_outcome() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    runtime.block_on(async {
        for _ in 0..2_000 {
            let (completer, answer) = promise::<u32>();
            let outcomes = Arc::new(Mutex::new(Vec::new()));
            let stop = answer.stop_handle();
            let seen = outcomes.clone();
            answer.on_finish(move || seen.lock().unwrap().push("finished"));
            let producer = spawn(async move { completer.complete(1) });
            let stopper = spawn(async move { stop.stop("") });
            let answer = answer.await;
            let completed = producer.await.unwrap();
            stopper.await.unwrap();
            assert_eq!(
                answer.is_ok(),
                completed.is_ok(),
                "{answer:?} {completed:?}"
            );
            assert_eq!(*outcomes.lock().unwrap(), ["finished"]);
        }
    });
}

#[test]
fn a_promise_is_a_child_like_others() {
    let runtime = Runtime::builder().current_thread().build().unwrap();
    runtime.block_on(async {
        let answer = scope(|s| async move {
            let (completer, answer) = promise::<()>();
            s.stop("closing time");
            let error = answer.await.unwrap_err();
            drop(completer);
            error
        });
        assert_eq!(answer.await.reason().unwrap().to_string(), "closing time");
    });
}
