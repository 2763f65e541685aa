//! What the primitives and their futures weigh, in bytes. A future of this crate lies in every task that waits.
//!
//! Pinned for 64 bits, so that a field more is a decision and no accident.
#![cfg(target_pointer_width = "64")]

use lenio_sync::channel::{self, broadcast, oneshot, watch};
use lenio_sync::park::Parker;
use lenio_sync::wait::{Guard, Stage, WaitQueue, Waiter, WaitingFor, WakeBatch};
use lenio_sync::{
    Barrier, Condvar, Event, Lazy, Lock, Notify, OnceCell, RwLock, Semaphore, WaitGroup, barrier,
    budget, condvar, event, lock, notify, once, rwlock, semaphore, stop, wait_group,
};
use std::future::Ready;
use std::sync::Arc;

/// The size of a future without a name.
fn size<F: Future>(_future: &F) -> usize {
    size_of::<F>()
}

macro_rules! sizes {
    ($($type:ty = $size:expr),* $(,)?) => {
        // All of them at once, so that one run shows everything that changed.
        let mut wrong = Vec::new();
        $(
            if size_of::<$type>() != $size {
                wrong.push(format!("{} = {}", stringify!($type), size_of::<$type>()));
            }
        )*
        assert!(wrong.is_empty(), "these have other sizes now:\n{}", wrong.join("\n"));
    };
}

#[test]
fn the_wait_list() {
    sizes! {
        WaitQueue<()> = 24,
        WaitQueue<usize, 2> = 48,
        Waiter<'static, ()> = 72,
        Guard<'static, ()> = 8,
        Stage = 1,
        WakeBatch = 1056,
        WaitingFor = 24,
        Parker = 40,
        budget::Paused = 8,
    }
}

#[test]
fn flags_and_counters() {
    sizes! {
        Event = 32,
        event::Wait<'static> = 88,
        Notify = 32,
        notify::Notified<'static> = 104,
        Barrier = 64,
        barrier::Wait<'static> = 104,
        barrier::BarrierWait = 16,
        WaitGroup = 8,
        wait_group::Member = 8,
        wait_group::Wait<'static> = 88,
        Condvar = 24,
        condvar::Wait<'static, 'static, ()> = 224,
    }
}

#[test]
fn semaphore() {
    sizes! {
        Semaphore = 56,
        semaphore::Acquire<'static> = 136,
        semaphore::Permit<'static> = 16,
        semaphore::OwnedPermit = 16,
        semaphore::AcquireError = 0,
        semaphore::TryAcquireError = 1,
    }
}

#[test]
fn lock() {
    sizes! {
        Lock<()> = 56,
        Lock<u64> = 64,
        lock::Acquire<'static, ()> = 128,
        lock::LockGuard<'static, ()> = 8,
        lock::MappedLockGuard<'static, ()> = 16,
        lock::OwnedLockGuard<()> = 8,
        lock::OwnedMappedLockGuard<(), ()> = 16,
        lock::TryLockError = 0,
    }
}

#[test]
fn rwlock() {
    sizes! {
        RwLock<()> = 112,
        RwLock<u64> = 120,
        rwlock::Read<'static, ()> = 128,
        rwlock::Write<'static, ()> = 128,
        rwlock::ReadGuard<'static, ()> = 8,
        rwlock::WriteGuard<'static, ()> = 32,
        rwlock::UpgradableGuard<'static, ()> = 32,
        rwlock::MappedReadGuard<'static, ()> = 24,
        rwlock::MappedWriteGuard<'static, ()> = 32,
        rwlock::OwnedReadGuard<()> = 8,
        rwlock::OwnedWriteGuard<()> = 16,
        rwlock::TryRwLockError = 0,
    }
}

type Tried = Ready<Result<u64, ()>>;
type TryInit = once::GetOrTryInit<'static, u64, fn() -> Tried, Tried>;

#[test]
fn once() {
    sizes! {
        OnceCell<()> = 56,
        OnceCell<u64> = 64,
        once::Wait<'static, u64> = 88,
        once::SetError<u64> = 16,
        once::GetOrInit<'static, u64, fn() -> Ready<u64>, Ready<u64>> = 120,
        TryInit = 120,
        Lazy<u64> = 96,
        once::Force<'static, u64, fn() -> once::BoxedFuture<u64>> = 104,
    }
}

#[test]
fn stop() {
    sizes! {
        stop::StopSource = 8,
        stop::StopToken = 8,
        stop::StopOnDrop = 16,
        stop::StopReason = 8,
        stop::StopKind = 1,
        stop::Stopped = 8,
        stop::Callback = 16,
        stop::StoppedFuture<'static> = 104,
        stop::StoppedOwned = 16,
        stop::RunUntilStopped<'static, Ready<u64>> = 128,
    }
}

#[test]
fn channels_of_many_to_many() {
    sizes! {
        channel::Sender<u64> = 8,
        channel::Receiver<u64> = 8,
        channel::WeakSender<u64> = 8,
        channel::Permit<'static, u64> = 16,
        channel::OwnedPermit<u64> = 16,
        channel::Sending<'static, u64> = 120,
        channel::Reserve<'static, u64> = 168,
        channel::ReserveOwned<u64> = 176,
        channel::Recv<'static, u64> = 88,
        channel::RecvMany<'static, u64> = 104,
        channel::Messages<'static, u64> = 96,
        channel::IntoStream<u64> = 104,
        channel::IterBlocking<'static, u64> = 8,
        channel::Closed<'static, u64> = 80,
        channel::SendError<u64> = 8,
        channel::TrySendError<u64> = 16,
        channel::RecvError = 0,
        channel::TryRecvError = 1,
    }
}

#[test]
fn oneshot_channels() {
    sizes! {
        oneshot::Sender<u64> = 8,
        oneshot::Receiver<u64> = 8,
        oneshot::Closed<'static, u64> = 16,
        oneshot::SendError<u64> = 8,
        oneshot::RecvError = 0,
        oneshot::TryRecvError = 1,
    }
}

#[test]
fn watch_channels() {
    sizes! {
        watch::Sender<u64> = 8,
        watch::Receiver<u64> = 16,
        watch::Snapshot<u64> = 16,
        watch::Changed<'static, u64> = 96,
        watch::WaitFor<'static, u64, fn(&u64) -> bool> = 112,
        watch::Stream<'static, u64> = 96,
        watch::Closed<'static, u64> = 88,
        watch::SendError<u64> = 8,
        watch::RecvError = 0,
    }
}

#[test]
fn broadcast_channels() {
    sizes! {
        broadcast::Sender<u64> = 8,
        broadcast::WeakSender<u64> = 8,
        broadcast::Receiver<u64> = 16,
        broadcast::Recv<'static, u64> = 96,
        broadcast::Stream<'static, u64> = 96,
        broadcast::SendError<u64> = 8,
        broadcast::RecvError = 16,
        broadcast::TryRecvError = 16,
        broadcast::Lagged = 8,
    }
}

/// How these are laid out is up to the compiler: a bound, not a size.
#[test]
fn futures_without_a_name() {
    let semaphore = Arc::new(Semaphore::new(1));
    let lock = Arc::new(RwLock::new(()));
    let guard = lock.try_upgradable_read().expect("it is free");
    let sizes = [
        size(&semaphore.acquire_owned(1)),
        size(&Arc::new(Lock::new(())).lock_owned()),
        size(&lock.clone().read_owned()),
        size(&lock.clone().write_owned()),
        size(&lock.upgradable_read()),
        size(&rwlock::UpgradableGuard::upgrade(guard)),
    ];
    assert!(sizes.iter().all(|size| *size <= 176), "{sizes:?}");
}
