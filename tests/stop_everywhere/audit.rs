//! What a run has to account for.

use crate::random::Random;
use lenio::time::sleep;
use lenio::yield_now;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

type Check = Box<dyn FnOnce() -> bool + Send>;

/// Kept by every task of a run: how many have it tells whether one leaks.
#[derive(Clone)]
pub(crate) struct Audit(Arc<Inner>);

struct Inner {
    random: Mutex<Random>,
    items: Arc<AtomicIsize>,
    promises: Mutex<Vec<(&'static str, Arc<AtomicUsize>)>>,
    checks: Mutex<Vec<(&'static str, Check)>>,
}

/// Something that must not be leaked.
#[derive(Debug)]
pub(crate) struct Item(Arc<AtomicIsize>);

/// Something that has to happen exactly once.
pub(crate) struct Promise(Arc<AtomicUsize>);

impl Audit {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Inner {
            random: Mutex::new(Random::new(seed)),
            items: Arc::default(),
            promises: Mutex::default(),
            checks: Mutex::default(),
        }))
    }

    pub(crate) fn below(&self, end: usize) -> usize {
        lock(&self.0.random).below(end)
    }

    pub(crate) fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Goes on at once, or lets others run, or waits a little.
    pub(crate) async fn pause(&self) {
        match self.below(4) {
            0 => {}
            1 => yield_now().await,
            pause => sleep(Duration::from_millis(pause as u64)).await,
        }
    }

    pub(crate) fn item(&self) -> Item {
        self.0.items.fetch_add(1, Ordering::SeqCst);
        Item(self.0.items.clone())
    }

    pub(crate) fn promise(&self, what: &'static str) -> Promise {
        let kept = Arc::new(AtomicUsize::new(0));
        lock(&self.0.promises).push((what, kept.clone()));
        Promise(kept)
    }

    /// Looks when all is over.
    pub(crate) fn expect(&self, what: &'static str, check: impl FnOnce() -> bool + Send + 'static) {
        lock(&self.0.checks).push((what, Box::new(check)));
    }

    /// What is wrong, when all is over.
    pub(crate) fn verdict(self) -> Result<(), String> {
        for (what, check) in std::mem::take(&mut *lock(&self.0.checks)) {
            if !check() {
                return Err(format!("not so: {what}"));
            }
        }
        for (what, kept) in &*lock(&self.0.promises) {
            let times = kept.load(Ordering::SeqCst);
            if times != 1 {
                return Err(format!("{times} times: {what}"));
            }
        }
        match self.0.items.load(Ordering::SeqCst) {
            0 => {}
            items => return Err(format!("{items} items leaked")),
        }
        match Arc::strong_count(&self.0) {
            1 => Ok(()),
            more => Err(format!("{} tasks leaked their witness", more - 1)),
        }
    }
}

impl Promise {
    pub(crate) fn keep(self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts, from wherever.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
