//! Tasks, their handles, and what happens when they end badly.

use lenio_executor::{Runtime, block_on, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_spawned_task_runs_and_yields_its_output() {
    let out = block_on(async {
        let a = spawn(async { 1 });
        let b = spawn(async { 2 });
        a.await.unwrap() + b.await.unwrap()
    });
    assert_eq!(out, 3);
}

#[test]
fn many_tasks_run_exactly_once() {
    let runtime = Runtime::builder().threads(4).build().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let count = count.clone();
                spawn(async move {
                    yield_now().await;
                    count.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 10_000);
    assert_eq!(runtime.metrics().living_tasks, 0);
}

#[test]
fn a_panic_reaches_the_joiner_and_nobody_else() {
    block_on(async {
        let error = spawn(async { panic!("boom") }).await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "boom");
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
    });
}

#[test]
fn a_cancelled_task_is_dropped_and_says_so() {
    struct OnDrop(Arc<AtomicUsize>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    block_on(async {
        let on_drop = OnDrop(drops.clone());
        let task = spawn(async move {
            let _on_drop = on_drop;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}
