//! async-lock: what smol's programs lock with, and the fewest instructions among the peers.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use super::{Barrier, Library, Mutex, RwLock, Semaphore};

/// async-lock's four locks.
pub(crate) struct Locks;

impl super::Locks for Locks {
    const LIBRARY: Library = Library {
        name: "async-lock",
        homes: &["smol", "smol-static"],
    };
    type Mutex = async_lock::Mutex<u64>;
    type RwLock = async_lock::RwLock<u64>;
    type Semaphore = async_lock::Semaphore;
    type Barrier = async_lock::Barrier;
}

impl Mutex for async_lock::Mutex<u64> {
    fn new(value: u64) -> Self {
        async_lock::Mutex::new(value)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send {
        self.lock()
    }
}

impl RwLock for async_lock::RwLock<u64> {
    fn new(value: u64) -> Self {
        async_lock::RwLock::new(value)
    }

    fn read(&self) -> impl Future<Output = impl Deref<Target = u64> + Send> + Send {
        self.read()
    }

    fn write(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send {
        self.write()
    }
}

impl Semaphore for async_lock::Semaphore {
    fn new(permits: usize) -> Self {
        async_lock::Semaphore::new(permits)
    }

    fn acquire(&self) -> impl Future<Output = impl Send> + Send {
        self.acquire()
    }
}

impl Barrier for async_lock::Barrier {
    fn new(tasks: usize) -> Self {
        async_lock::Barrier::new(tasks)
    }

    async fn wait(&self) -> bool {
        self.wait().await.is_leader()
    }
}
