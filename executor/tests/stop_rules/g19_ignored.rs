//! G19: a task that ignores a stop holds up nobody, and somebody is told.

use crate::rig::{Watch, ms, scenario, under};
use lenio_executor::{StopEvent, StopExt, StopPolicy, check_stop, spawn, throughline, yield_now};
use lenio_time::sleep;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn g19_a_loop_that_ignores_its_stop_does_not_starve_a_sibling_on_the_same_worker() {
    under(StopPolicy::gentletask(), |_| async {
        let is_enough = Arc::new(AtomicBool::new(false));
        let enough = is_enough.clone();
        let deaf = spawn(async move {
            let mut ignored = 0_u64;
            while !enough.load(Ordering::Relaxed) {
                ignored += u64::from(sleep(ms(1000)).or_stop().await.is_err());
            }
            ignored
        });
        yield_now().await;
        deaf.stop("");
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        let sibling = spawn(async move {
            for _ in 0..1000 {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
            is_enough.store(true, Ordering::Relaxed);
        });
        sibling.await.unwrap();
        let ignored = deaf.await.unwrap();
        assert_eq!(turns.load(Ordering::Relaxed), 1000);
        assert!(ignored > 1000, "{ignored}");
        // A turn of its own between two of the sibling's, bounded by its budget.
        assert!(ignored < 1000 * 1000, "{ignored}");
    });
}

#[test]
fn g19_somebody_is_told_and_the_grace_is_cut_short() {
    scenario(|heard| async move {
        let watch = Watch::start();
        let deaf = throughline::in_frame("request", async {
            spawn(async {
                loop {
                    let _ = sleep(ms(1000)).or_stop().await;
                }
            })
        });
        let deaf: lenio_executor::JoinHandle<()> = deaf.await;
        yield_now().await;
        deaf.stop("listen");
        let error = deaf.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.reason().unwrap().message(), Some("listen"));
        watch.assert_at(ms(0));
        let events = heard.events();
        let [
            StopEvent::Ignored {
                task, deliveries, ..
            },
            StopEvent::GraceOver { .. },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(*deliveries, 1000);
        assert_eq!(task.throughline.to_string(), "request");
    });
}

#[test]
fn g19_without_a_grace_there_is_a_warning_and_no_more() {
    under(StopPolicy::gentletask(), |heard| async move {
        let deaf = spawn(async {
            for _ in 0..5000 {
                assert!(pending::<()>().or_stop().await.is_err());
                assert!(check_stop().is_err());
            }
            "after all"
        });
        yield_now().await;
        deaf.stop("");
        assert_eq!(deaf.await.unwrap(), "after all");
        let events = heard.events();
        assert!(
            matches!(&events[..], [StopEvent::Ignored { .. }]),
            "{events:?}"
        );
    });
}

#[test]
fn g19_cleanup_that_awaits_without_looking_at_the_stop_counts_for_nothing() {
    scenario(|heard| async move {
        let watch = Watch::start();
        let task = spawn(async {
            assert!(sleep(ms(1000)).or_stop().await.is_err());
            for _ in 0..3000 {
                sleep(ms(1)).await;
            }
        });
        sleep(ms(1)).await;
        task.stop("");
        task.await.unwrap();
        assert!(heard.events().is_empty());
        let _ = watch;
    });
}
