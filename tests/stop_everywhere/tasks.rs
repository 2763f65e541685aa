//! Programs about tasks: shields, cleanup, links, trees, callbacks, timers, jobs that block.

use crate::audit::{Audit, Count};
use lenio::future::{Either, race, select};
use lenio::sync::{Event, WaitGroup};
use lenio::throughline;
use lenio::time::{MissedTick, interval, sleep, timeout};
use lenio::{
    JoinHandle, JoinSet, StopExt, block_scope, check_stop, on_exit, shield, shield_hard, spawn,
    spawn_blocking, spawn_child, stop_handle, stopped, yield_now,
};
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A stop cannot tear it apart, but a cancel can: then the journal undoes it.
pub(crate) async fn a_shielded_commit(audit: Audit) {
    let books = Arc::new(Mutex::new((100_i64, 0_i64)));
    let end = books.clone();
    audit.expect("the books balance", move || {
        end.lock().is_ok_and(|books| books.0 + books.1 == 100)
    });
    for _ in 0..3 {
        if audit.pause().or_stop().await.is_err() {
            return;
        }
        let begun = Arc::new(Mutex::new(0));
        let (undo, books_again) = (begun.clone(), books.clone());
        on_exit(async move {
            if let (Ok(undo), Ok(mut books)) = (undo.lock(), books_again.lock()) {
                books.0 += *undo;
            }
        });
        shield(async {
            take(&books, 10);
            set(&begun, 10);
            audit.pause().await;
            let stopped = audit.pause().or_stop().await;
            // A cancel gets in, for what is left of the poll.
            assert!(stopped.is_ok() || is_cancelled(), "shielded");
            give(&books, 10);
            set(&begun, 0);
        })
        .await;
    }
}

/// Inside of a shield: whether the task is polled for the last time.
fn is_cancelled() -> bool {
    check_stop().is_err()
}

fn take(books: &Mutex<(i64, i64)>, amount: i64) {
    if let Ok(mut books) = books.lock() {
        books.0 -= amount;
    }
}

fn give(books: &Mutex<(i64, i64)>, amount: i64) {
    if let Ok(mut books) = books.lock() {
        books.1 += amount;
    }
}

fn set(amount: &Mutex<i64>, to: i64) {
    if let Ok(mut amount) = amount.lock() {
        *amount = to;
    }
}

/// Neither a stop nor a cancel tears it apart; only whoever drops it, and then the journal undoes it.
pub(crate) async fn a_hard_commit(audit: Audit) {
    for _ in 0..2 {
        audit.pause().await;
        let committed = audit.promise("the commit, or its undoing");
        let undo = Arc::new(Mutex::new(Some(committed)));
        let journal = undo.clone();
        on_exit(async move { keep(&journal) });
        let commit = shield_hard(Duration::from_millis(900), async {
            let child = spawn_child({
                let audit = audit.clone();
                async move { audit.pause().or_stop().await.is_ok() }
            });
            audit.pause().await;
            assert!(child.await.is_ok_and(|shielded| shielded));
            keep(&undo);
        });
        commit.await;
        if check_stop().is_err() {
            return;
        }
    }
}

fn keep(promise: &Mutex<Option<crate::audit::Promise>>) {
    if let Some(promise) = promise.lock().ok().and_then(|mut promise| promise.take()) {
        promise.keep();
    }
}

pub(crate) async fn cleanup_at_exit(audit: Audit) {
    fn register(audit: &Audit, order: &Arc<Mutex<Vec<usize>>>, at: usize) {
        let (promise, audit, order) = (audit.promise("cleanup"), audit.clone(), order.clone());
        on_exit(async move {
            assert!(audit.pause().or_stop().await.is_ok(), "shielded");
            let helper = spawn_child({
                let audit = audit.clone();
                async move { audit.pause().await }
            });
            helper.await.expect("a child of a cleanup is shielded");
            if let Ok(mut order) = order.lock() {
                order.push(at);
            }
            promise.keep();
        });
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let ran = order.clone();
    audit.expect("last in, first out", move || {
        ran.lock()
            .is_ok_and(|ran| ran.windows(2).all(|pair| pair[0] > pair[1]))
    });
    for at in 0..4 {
        register(&audit, &order, at);
        audit.pause().await;
        audit.pause().or_stop().await.ok();
    }
    let inner = Arc::new(Mutex::new(Vec::new()));
    let child = spawn_child({
        let audit = audit.clone();
        async move {
            for at in 0..3 {
                register(&audit, &inner, at);
                audit.pause().await;
            }
            pending::<()>().or_stop().await.ok();
        }
    });
    audit.pause().await;
    drop(child);
}

pub(crate) async fn a_linked_join(audit: Audit) {
    let end = Arc::new(Event::new());
    let (ended, of_producer) = (end.clone(), audit.clone());
    let producer = spawn(async move {
        let _item = of_producer.item();
        of_producer.pause().await;
        pending::<()>().or_stop().await.ok();
        of_producer.pause().await;
        ended.set();
    });
    let by_handle = producer.stop_handle();
    // Whatever becomes of this task the producer is not left alone.
    on_exit(async move {
        by_handle.stop("the end");
        by_handle.done().await;
    });
    audit.pause().await;
    let linked = producer.join_linked();
    if timeout(4 * MS, linked).await.is_err() {
        audit.pause().or_stop().await.ok();
    }
}

pub(crate) async fn a_tree_of_children(audit: Audit) {
    fn node(
        audit: Audit,
        depth: u32,
        alive: Arc<WaitGroup>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _member = alive.add();
            let children: Vec<JoinHandle<()>> = (0..2 * usize::from(depth > 0))
                .map(|_| spawn_child(node(audit.clone(), depth - 1, alive.clone())))
                .collect();
            audit.pause().await;
            audit.pause().or_stop().await.ok();
            for (n, child) in children.into_iter().enumerate() {
                if n % 2 == 0 {
                    child.await.ok();
                }
            }
        })
    }
    let alive = Arc::new(WaitGroup::new());
    let none = alive.clone();
    audit.expect("the whole tree is gone", move || none.count() == 0);
    let tree = spawn_child(node(audit.clone(), 3, alive));
    audit.pause().await;
    tree.await.ok();
}

pub(crate) async fn callbacks_of_stops(audit: Audit) {
    let (ran, removed) = (Count::default(), Count::default());
    let registered = Count::default();
    let all = (ran.clone(), removed.clone(), registered.clone());
    audit.expect("a callback has run, or was taken back", move || {
        all.0.get() + all.1.get() <= all.2.get()
    });
    let me = stop_handle().expect("a task");
    for _ in 0..4 {
        let child = spawn_child({
            let audit = audit.clone();
            async move {
                audit.pause().await;
                pending::<()>().or_stop().await.ok();
            }
        });
        let (counted, other) = (ran.clone(), child.stop_handle());
        registered.add(1);
        let callback = me.on_stop(move || {
            counted.add(1);
            other.stop("with its parent");
        });
        audit.pause().or_stop().await.ok();
        let was_stopped = me.is_stopped();
        if callback.remove() {
            assert!(!was_stopped, "a stop had to run it");
            removed.add(1);
        }
        child.stop("done");
        child.await.ok();
    }
}

pub(crate) async fn timers_and_intervals(audit: Audit) {
    let ticks = Count::default();
    let counted = ticks.clone();
    let child = spawn_child(async move {
        let mut ticker = interval(2 * MS);
        ticker.set_missed_tick(MissedTick::Skip);
        while ticker.tick().or_stop().await.is_ok() {
            counted.add(1);
        }
    });
    for _ in 0..3 {
        if timeout(3 * MS, pending::<()>()).or_stop().await.is_err() {
            break;
        }
        audit.pause().await;
    }
    assert!(ticks.get() >= 1 || check_stop().is_err());
    child.stop("enough ticks");
    child.await.ok();
}

pub(crate) async fn a_throughline_below(audit: Audit) {
    fn level(
        audit: Audit,
        depth: usize,
        above: String,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(throughline::in_frame("level", async move {
            let mine = format!("{above} > level");
            let mine = mine.trim_start_matches(" > ").to_owned();
            assert_eq!(throughline::current().to_string(), mine);
            audit.pause().await;
            let (promise, here) = (audit.promise("cleanup"), mine.clone());
            on_exit(async move {
                let _ = here;
                promise.keep();
            });
            if depth > 0 {
                let child = spawn_child(level(audit.clone(), depth - 1, mine.clone()));
                audit.pause().or_stop().await.ok();
                child.await.ok();
            }
            assert_eq!(throughline::current().to_string(), mine);
        }))
    }
    level(audit, 3, String::new()).await;
    assert!(throughline::current().is_empty());
}

pub(crate) async fn a_race_of_handles(audit: Audit) {
    let work = |n: u32| {
        let audit = audit.clone();
        async move {
            let _item = audit.item();
            for _ in 0..n {
                audit.pause().await;
            }
            n
        }
    };
    let (one, other) = (
        spawn_child(work(2)).cancel_on_drop(),
        spawn_child(work(3)).stop_on_drop(),
    );
    race((one, other)).await.ok();
    match select(pin!(stopped()), pin!(sleep(3 * MS))).await {
        Either::Left(_) => return,
        Either::Right(_) => {}
    }
    let mut set = JoinSet::new();
    for n in 1..4 {
        set.spawn(work(n));
    }
    while let Ok(Some(_)) = set.join_next().or_stop().await {
        audit.pause().await;
    }
}

pub(crate) async fn children_that_are_let_go(audit: Audit) {
    let alive = Arc::new(WaitGroup::new());
    let all = alive.clone();
    audit.expect("those let go have ended too", move || all.count() == 0);
    for _ in 0..3 {
        let (member, of_child) = (alive.add(), audit.clone());
        let child = spawn_child(async move {
            let _member = member;
            of_child.pause().await;
            of_child.pause().or_stop().await.ok();
        });
        audit.pause().await;
        child.detach().expect("the parent lets go");
        audit.pause().or_stop().await.ok();
    }
}

pub(crate) async fn blocking_jobs_that_look(audit: Audit) {
    let of_job = audit.clone();
    let begun = Arc::new(Event::new());
    let has_begun = begun.clone();
    let child = lenio::scope(|s| async move {
        let job = s.spawn_blocking(move || {
            let _item = of_job.item();
            has_begun.set();
            while check_stop().is_ok() {
                std::hint::spin_loop();
            }
        });
        // The job holds the virtual clock, so nobody sleeps here.
        begun.wait().or_stop().await.ok();
        for _ in 0..audit.below(4) {
            yield_now().await;
        }
        job.stop("enough");
        job.await.ok();
    });
    child.await;
}

pub(crate) async fn a_block_scope_in_a_job(audit: Audit) {
    let of_job = audit.clone();
    let job = spawn_blocking(move || {
        let mut parts = [0; 3];
        block_scope(|s| {
            for (n, part) in parts.iter_mut().enumerate() {
                let audit = of_job.clone();
                s.spawn(async move {
                    let _item = audit.item();
                    yield_now().await;
                    *part = n + 1;
                });
            }
        });
        parts.iter().sum::<usize>()
    });
    audit.pause().await;
    if let Ok(sum) = job.await {
        assert_eq!(sum, 6);
    }
}
