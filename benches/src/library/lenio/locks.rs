//! lenio's lock, read-write lock, semaphore and barrier.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use lenio::sync;

use super::LIBRARY;
use crate::library::{self, Barrier, Library, Mutex, RwLock, Semaphore};

/// lenio's four locks.
pub(crate) struct Locks;

impl library::Locks for Locks {
    const LIBRARY: Library = LIBRARY;
    type Mutex = sync::Lock<u64>;
    type RwLock = sync::RwLock<u64>;
    type Semaphore = sync::Semaphore;
    type Barrier = sync::Barrier;
}

impl Mutex for sync::Lock<u64> {
    fn new(value: u64) -> Self {
        sync::Lock::new(value)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send {
        self.lock()
    }
}

impl RwLock for sync::RwLock<u64> {
    fn new(value: u64) -> Self {
        sync::RwLock::new(value)
    }

    fn read(&self) -> impl Future<Output = impl Deref<Target = u64> + Send> + Send {
        self.read()
    }

    fn write(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send {
        self.write()
    }
}

impl Semaphore for sync::Semaphore {
    fn new(permits: usize) -> Self {
        sync::Semaphore::new(permits)
    }

    async fn acquire(&self) -> impl Send {
        self.acquire(1).await.expect("nobody closes the semaphore")
    }
}

impl Barrier for sync::Barrier {
    fn new(tasks: usize) -> Self {
        sync::Barrier::new(tasks)
    }

    async fn wait(&self) -> bool {
        self.wait().await.is_leader()
    }
}
