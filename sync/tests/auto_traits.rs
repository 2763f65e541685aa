//! Which threads a value may go to, whether it may be moved, and whether it survives a panic, is part of the interface.
//!
//! R24, R28: guards that were `Send` or `Sync` for types that are not, and shared handles that cloned values which are not `Sync`,
//! are among the oldest mistakes of this kind of crate.

use lenio_sync::channel::{self, broadcast, oneshot, watch};
use lenio_sync::park::Parker;
use lenio_sync::wait::{Guard, Stage, WaitQueue, Waiter, WaitingFor, WakeBatch};
use lenio_sync::{
    Barrier, Condvar, Event, Lazy, Lock, Notify, OnceCell, RwLock, Semaphore, WaitGroup, barrier,
    budget, condvar, event, lock, notify, once, rwlock, semaphore, stop, wait_group,
};
use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

fn send<T: Send + ?Sized>() {}
fn sync<T: Sync + ?Sized>() {}
fn unpin<T: Unpin + ?Sized>() {}
fn unwind_safe<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}
fn debug<T: Debug + ?Sized>() {}

/// Fails to compile, because the method is ambiguous, if the type has the trait.
macro_rules! assert_not {
    ($type:ty: $bound:path) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn item() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Has;
            impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::item();
        };
    };
}

/// May go to another thread, but may not be shared between two.
type SendOnly = Cell<u8>;
/// May be shared, but may not go to another thread.
type SyncOnly = std::sync::MutexGuard<'static, u8>;
/// May do neither.
type Neither = Rc<u8>;
/// A future that may go everywhere.
type Nothing = std::future::Ready<u8>;
/// A function that may go everywhere.
type Makes = fn() -> Nothing;

macro_rules! everywhere {
    ($($type:ty),* $(,)?) => {
        $( send::<$type>(); sync::<$type>(); debug::<$type>(); )*
    };
}

macro_rules! send {
    ($($type:ty),* $(,)?) => { $( send::<$type>(); )* };
}

macro_rules! not_send {
    ($($type:ty),* $(,)?) => { $( assert_not!($type: Send); )* };
}

macro_rules! not_sync {
    ($($type:ty),* $(,)?) => { $( assert_not!($type: Sync); )* };
}

/// Pinned for as long as it waits: its place in a list is in it.
macro_rules! immovable {
    ($($type:ty),* $(,)?) => { $( assert_not!($type: Unpin); )* };
}

macro_rules! survives_panics {
    ($($type:ty),* $(,)?) => { $( unwind_safe::<$type>(); )* };
}

macro_rules! movable {
    ($($type:ty),* $(,)?) => { $( unpin::<$type>(); )* };
}

mod of_the_wait_list {
    use super::*;

    assert_not!(WaitQueue<Neither>: Send);
    assert_not!(WaitQueue<Neither>: Sync);
    // The lock underneath has to be given back by the thread that took it.
    assert_not!(Guard<'static, u8>: Send);
    assert_not!(Guard<'static, u8>: Sync);
    assert_not!(Waiter<'static, Neither>: Send);
    // Its node is linked by its neighbours.
    assert_not!(Waiter<'static, u8>: Unpin);

    #[test]
    fn it_goes_where_it_may() {
        everywhere!(WaitQueue<u8>, WaitQueue<SendOnly>, Waiter<'static, u8>);
        everywhere!(WakeBatch, WaitingFor, Stage);

        sync::<Parker>();
        send::<Parker>();
        movable!(WaitQueue<u8>, WakeBatch, WaitingFor, Stage, Parker);
    }
}

mod of_flags_and_counters {
    use super::*;

    immovable!(
        event::Wait<'static>,
        notify::Notified<'static>,
        barrier::Wait<'static>,
        wait_group::Wait<'static>,
        semaphore::Acquire<'static>,
    );

    #[test]
    fn they_go_everywhere() {
        everywhere!(Event, event::Wait<'static>);
        everywhere!(Notify, notify::Notified<'static>);
        everywhere!(Barrier, barrier::Wait<'static>, barrier::BarrierWait);
        everywhere!(WaitGroup, wait_group::Member, wait_group::Wait<'static>);
        everywhere!(Semaphore, semaphore::Acquire<'static>);
        everywhere!(semaphore::Permit<'static>, semaphore::OwnedPermit);
        everywhere!(semaphore::AcquireError, semaphore::TryAcquireError);
        everywhere!(Condvar, budget::Paused);
        movable!(
            Event,
            Notify,
            Barrier,
            barrier::BarrierWait,
            WaitGroup,
            wait_group::Member
        );
        movable!(
            Semaphore,
            semaphore::Permit<'static>,
            semaphore::OwnedPermit,
            Condvar
        );
        survives_panics!(
            Event,
            Notify,
            Barrier,
            WaitGroup,
            wait_group::Member,
            Semaphore,
            Condvar
        );
        survives_panics!(semaphore::Permit<'static>, semaphore::OwnedPermit);
        let semaphore = std::sync::Arc::new(Semaphore::new(1));
        let _: Box<dyn Future<Output = _> + Send + Sync> = Box::new(semaphore.acquire_owned(1));
    }
}

mod of_lock {
    use super::*;

    not_send!(
        Lock<Neither>,
        Lock<SyncOnly>,
        lock::Acquire<'static, Neither>
    );
    not_sync!(
        Lock<Neither>,
        Lock<SyncOnly>,
        lock::Acquire<'static, Neither>
    );
    // A guard is a `&mut` to the value.
    not_send!(
        lock::LockGuard<'static, Neither>,
        lock::MappedLockGuard<'static, Neither>
    );
    not_send!(
        lock::LockGuard<'static, SyncOnly>,
        lock::MappedLockGuard<'static, SyncOnly>
    );
    not_sync!(
        lock::LockGuard<'static, Neither>,
        lock::LockGuard<'static, SendOnly>
    );
    not_sync!(
        lock::MappedLockGuard<'static, Neither>,
        lock::MappedLockGuard<'static, SendOnly>
    );
    not_send!(
        lock::OwnedLockGuard<Neither>,
        lock::OwnedLockGuard<SyncOnly>
    );
    not_sync!(
        lock::OwnedLockGuard<Neither>,
        lock::OwnedLockGuard<SendOnly>
    );
    // The last one that is owned drops the whole value, wherever it is.
    not_send!(lock::OwnedMappedLockGuard<Neither, u8>, lock::OwnedMappedLockGuard<SyncOnly, u8>);
    not_send!(lock::OwnedMappedLockGuard<u8, Neither>, lock::OwnedMappedLockGuard<u8, SyncOnly>);
    not_sync!(lock::OwnedMappedLockGuard<u8, Neither>, lock::OwnedMappedLockGuard<u8, SendOnly>);
    not_sync!(lock::OwnedMappedLockGuard<Neither, u8>);
    not_send!(condvar::Wait<'static, 'static, Neither>);
    not_sync!(condvar::Wait<'static, 'static, Neither>);
    // A panic may leave its value half changed, and no poison tells.
    assert_not!(Lock<u8>: RefUnwindSafe);
    immovable!(
        lock::Acquire<'static, u8>,
        condvar::Wait<'static, 'static, u8>
    );

    #[test]
    fn it_goes_where_its_value_may() {
        everywhere!(
            Lock<u8>,
            Lock<SendOnly>,
            lock::Acquire<'static, u8>,
            lock::Acquire<'static, SendOnly>
        );
        everywhere!(Lock<dyn Debug + Send>, Lock<[u8]>, lock::TryLockError);
        everywhere!(
            lock::LockGuard<'static, u8>,
            lock::MappedLockGuard<'static, u8>
        );
        everywhere!(lock::OwnedLockGuard<u8>, lock::OwnedMappedLockGuard<u8, u8>);
        everywhere!(condvar::Wait<'static, 'static, u8>);
        send!(
            lock::LockGuard<'static, SendOnly>,
            lock::MappedLockGuard<'static, SendOnly>
        );
        send!(lock::OwnedLockGuard<SendOnly>, lock::OwnedMappedLockGuard<SendOnly, SendOnly>);
        send!(condvar::Wait<'static, 'static, SendOnly>);
        movable!(
            Lock<u8>,
            lock::LockGuard<'static, u8>,
            lock::OwnedLockGuard<u8>
        );
        let lock = std::sync::Arc::new(Lock::new(Cell::new(0)));
        let _: Box<dyn Future<Output = _> + Send> = Box::new(lock.lock_owned());
    }
}

mod of_rwlock {
    use super::*;

    not_send!(RwLock<Neither>, RwLock<SyncOnly>);
    // Readers share the value.
    not_sync!(RwLock<Neither>, RwLock<SendOnly>, RwLock<SyncOnly>);
    not_send!(
        rwlock::ReadGuard<'static, SendOnly>,
        rwlock::MappedReadGuard<'static, SendOnly>
    );
    not_sync!(
        rwlock::ReadGuard<'static, SendOnly>,
        rwlock::MappedReadGuard<'static, SendOnly>
    );
    not_send!(
        rwlock::OwnedReadGuard<SendOnly>,
        rwlock::OwnedReadGuard<SyncOnly>
    );
    not_sync!(rwlock::OwnedReadGuard<SendOnly>);
    not_send!(
        rwlock::WriteGuard<'static, Neither>,
        rwlock::WriteGuard<'static, SyncOnly>
    );
    not_sync!(
        rwlock::WriteGuard<'static, Neither>,
        rwlock::WriteGuard<'static, SendOnly>
    );
    not_send!(
        rwlock::MappedWriteGuard<'static, Neither>,
        rwlock::MappedWriteGuard<'static, SyncOnly>
    );
    not_sync!(
        rwlock::MappedWriteGuard<'static, Neither>,
        rwlock::MappedWriteGuard<'static, SendOnly>
    );
    not_send!(
        rwlock::OwnedWriteGuard<Neither>,
        rwlock::OwnedWriteGuard<SyncOnly>
    );
    not_sync!(
        rwlock::OwnedWriteGuard<Neither>,
        rwlock::OwnedWriteGuard<SendOnly>
    );
    // It shares the value now, and writes later.
    not_send!(
        rwlock::UpgradableGuard<'static, SendOnly>,
        rwlock::UpgradableGuard<'static, SyncOnly>
    );
    not_sync!(rwlock::UpgradableGuard<'static, SendOnly>);
    not_send!(
        rwlock::Read<'static, SendOnly>,
        rwlock::Write<'static, SendOnly>
    );
    assert_not!(RwLock<u8>: RefUnwindSafe);
    immovable!(rwlock::Read<'static, u8>, rwlock::Write<'static, u8>);

    #[test]
    fn it_goes_where_its_value_may() {
        everywhere!(
            RwLock<u8>,
            RwLock<[u8]>,
            rwlock::Read<'static, u8>,
            rwlock::Write<'static, u8>
        );
        everywhere!(
            rwlock::ReadGuard<'static, u8>,
            rwlock::MappedReadGuard<'static, u8>
        );
        everywhere!(
            rwlock::WriteGuard<'static, u8>,
            rwlock::MappedWriteGuard<'static, u8>
        );
        everywhere!(rwlock::UpgradableGuard<'static, u8>, rwlock::TryRwLockError);
        everywhere!(rwlock::OwnedReadGuard<u8>, rwlock::OwnedWriteGuard<u8>);
        send!(RwLock<SendOnly>);
        movable!(
            RwLock<u8>,
            rwlock::ReadGuard<'static, u8>,
            rwlock::WriteGuard<'static, u8>
        );
        let lock = std::sync::Arc::new(RwLock::new(0));
        let _: Box<dyn Future<Output = _> + Send> = Box::new(lock.clone().read_owned());
        let _: Box<dyn Future<Output = _> + Send> = Box::new(lock.write_owned());
    }
}

mod of_once {
    use super::*;

    not_send!(
        OnceCell<Neither>,
        OnceCell<SyncOnly>,
        once::SetError<Neither>
    );
    not_sync!(OnceCell<Neither>, OnceCell<SendOnly>, OnceCell<SyncOnly>);
    not_send!(once::Wait<'static, SendOnly>);
    not_send!(once::GetOrInit<'static, u8, fn() -> std::future::Ready<u8>, Neither>);
    not_send!(Lazy<Neither, Makes>, Lazy<u8, Neither>);
    not_sync!(Lazy<SendOnly, Makes>, Lazy<u8, Neither>);
    not_send!(
        once::Force<'static, SendOnly, Makes>,
        once::Force<'static, u8, Neither>
    );
    immovable!(once::Wait<'static, u8>, once::Force<'static, u8, Makes>);
    immovable!(
        once::GetOrInit<'static, u8, Makes, Nothing>,
        once::GetOrTryInit<'static, u8, Makes, Nothing>,
    );

    #[test]
    fn it_goes_where_its_value_may() {
        everywhere!(OnceCell<u8>, once::Wait<'static, u8>, once::SetError<u8>);
        everywhere!(once::GetOrInit<'static, u8, Makes, Nothing>);
        everywhere!(once::GetOrTryInit<'static, u8, Makes, Nothing>);
        everywhere!(Lazy<u8>, Lazy<u8, Makes>, once::Force<'static, u8, Makes>);
        // The function is called once, by whoever comes first, and never shared.
        everywhere!(Lazy<u8, SendOnly>);
        send!(OnceCell<SendOnly>, Lazy<SendOnly, Makes>);
        movable!(OnceCell<u8>, Lazy<u8>);
        survives_panics!(OnceCell<u8>, Lazy<u8>);
    }
}

mod of_stop {
    use super::*;

    not_send!(stop::RunUntilStopped<'static, Neither>);
    immovable!(
        stop::StoppedFuture<'static>,
        stop::RunUntilStopped<'static, Nothing>
    );

    #[test]
    fn it_goes_everywhere() {
        everywhere!(
            stop::StopSource,
            stop::StopToken,
            stop::StopReason,
            stop::StopKind,
            stop::Stopped
        );
        everywhere!(
            stop::StopOnDrop,
            stop::Callback,
            stop::StoppedFuture<'static>,
            stop::StoppedOwned
        );
        everywhere!(stop::RunUntilStopped<'static, Nothing>);
        movable!(
            stop::StopSource,
            stop::StopToken,
            stop::StopReason,
            stop::Stopped,
            stop::StopOnDrop,
            stop::Callback
        );
        movable!(stop::StoppedOwned);
        survives_panics!(
            stop::StopSource,
            stop::StopToken,
            stop::StopReason,
            stop::Stopped
        );
        survives_panics!(stop::StopOnDrop, stop::Callback);
    }
}

mod of_channels {
    use super::*;

    // Values go from thread to thread; nobody shares one.
    not_send!(
        channel::Sender<Neither>,
        channel::Receiver<Neither>,
        channel::WeakSender<Neither>
    );
    not_sync!(
        channel::Sender<Neither>,
        channel::Receiver<Neither>,
        channel::WeakSender<Neither>
    );
    not_send!(channel::Sender<SyncOnly>, channel::Receiver<SyncOnly>);
    not_send!(
        channel::Permit<'static, Neither>,
        channel::OwnedPermit<Neither>
    );
    not_sync!(
        channel::Permit<'static, Neither>,
        channel::OwnedPermit<Neither>
    );
    not_send!(
        channel::Sending<'static, Neither>,
        channel::Reserve<'static, Neither>,
        channel::ReserveOwned<Neither>
    );
    not_send!(
        channel::Recv<'static, Neither>,
        channel::RecvMany<'static, Neither>,
        channel::Messages<'static, Neither>
    );
    not_send!(
        channel::IntoStream<Neither>,
        channel::IterBlocking<'static, Neither>,
        channel::Closed<'static, Neither>
    );
    not_send!(channel::SendError<Neither>, channel::TrySendError<Neither>);
    immovable!(
        channel::Sending<'static, u8>,
        channel::Reserve<'static, u8>,
        channel::ReserveOwned<u8>
    );
    immovable!(
        channel::Recv<'static, u8>,
        channel::RecvMany<'static, u8>,
        channel::Messages<'static, u8>
    );
    immovable!(channel::IntoStream<u8>, channel::Closed<'static, u8>);

    #[test]
    fn they_go_where_their_values_may() {
        everywhere!(
            channel::Sender<SendOnly>,
            channel::Receiver<SendOnly>,
            channel::WeakSender<SendOnly>
        );
        everywhere!(
            channel::Permit<'static, SendOnly>,
            channel::OwnedPermit<SendOnly>
        );
        everywhere!(
            channel::Reserve<'static, SendOnly>,
            channel::ReserveOwned<SendOnly>
        );
        everywhere!(
            channel::Recv<'static, SendOnly>,
            channel::Messages<'static, SendOnly>
        );
        everywhere!(
            channel::IntoStream<SendOnly>,
            channel::Closed<'static, SendOnly>,
            channel::IterBlocking<'static, SendOnly>
        );
        everywhere!(
            channel::Sending<'static, u8>,
            channel::RecvMany<'static, u8>
        );
        everywhere!(
            channel::SendError<u8>,
            channel::TrySendError<u8>,
            channel::RecvError,
            channel::TryRecvError
        );
        send!(
            channel::Sending<'static, SendOnly>,
            channel::RecvMany<'static, SendOnly>
        );
        movable!(
            channel::Sender<u8>,
            channel::Receiver<u8>,
            channel::WeakSender<u8>
        );
        movable!(
            channel::Permit<'static, u8>,
            channel::OwnedPermit<u8>,
            channel::IterBlocking<'static, u8>
        );
        survives_panics!(
            channel::Sender<u8>,
            channel::Receiver<u8>,
            channel::WeakSender<u8>,
            channel::OwnedPermit<u8>
        );
    }
}

mod of_oneshot {
    use super::*;

    not_send!(
        oneshot::Sender<Neither>,
        oneshot::Receiver<Neither>,
        oneshot::Closed<'static, Neither>
    );
    not_sync!(oneshot::Sender<Neither>, oneshot::Receiver<Neither>);
    not_send!(
        oneshot::Sender<SyncOnly>,
        oneshot::Receiver<SyncOnly>,
        oneshot::SendError<Neither>
    );

    #[test]
    fn it_goes_where_its_value_may() {
        everywhere!(
            oneshot::Sender<SendOnly>,
            oneshot::Receiver<SendOnly>,
            oneshot::Closed<'static, SendOnly>
        );
        everywhere!(
            oneshot::SendError<u8>,
            oneshot::RecvError,
            oneshot::TryRecvError
        );
        // Its state is in a box of its own.
        movable!(
            oneshot::Sender<u8>,
            oneshot::Receiver<u8>,
            oneshot::Closed<'static, u8>
        );
        survives_panics!(oneshot::Sender<u8>, oneshot::Receiver<u8>);
    }
}

mod of_watch {
    use super::*;

    // A look at the value is shared with whoever else looks.
    not_send!(
        watch::Sender<SendOnly>,
        watch::Receiver<SendOnly>,
        watch::Snapshot<SendOnly>
    );
    not_sync!(
        watch::Sender<SendOnly>,
        watch::Receiver<SendOnly>,
        watch::Snapshot<SendOnly>
    );
    not_send!(
        watch::Sender<SyncOnly>,
        watch::Receiver<SyncOnly>,
        watch::Snapshot<SyncOnly>
    );
    not_send!(
        watch::Changed<'static, SendOnly>,
        watch::Stream<'static, SendOnly>,
        watch::Closed<'static, SendOnly>
    );
    not_send!(
        watch::WaitFor<'static, u8, Neither>,
        watch::SendError<Neither>
    );
    immovable!(
        watch::Changed<'static, u8>,
        watch::Stream<'static, u8>,
        watch::Closed<'static, u8>
    );
    immovable!(watch::WaitFor<'static, u8, fn(&u8) -> bool>);

    #[test]
    fn it_goes_where_its_value_may_be_shared() {
        everywhere!(watch::Sender<u8>, watch::Receiver<u8>, watch::Snapshot<u8>);
        everywhere!(
            watch::Changed<'static, u8>,
            watch::Stream<'static, u8>,
            watch::Closed<'static, u8>
        );
        everywhere!(
            watch::WaitFor<'static, u8, fn(&u8) -> bool>,
            watch::SendError<u8>,
            watch::RecvError
        );
        movable!(watch::Sender<u8>, watch::Receiver<u8>, watch::Snapshot<u8>);
        survives_panics!(watch::Sender<u8>, watch::Receiver<u8>, watch::Snapshot<u8>);
    }
}

mod of_broadcast {
    use super::*;

    // Receivers clone one value at the same time: RUSTSEC-2025-0023.
    not_send!(
        broadcast::Sender<SendOnly>,
        broadcast::Receiver<SendOnly>,
        broadcast::WeakSender<SendOnly>
    );
    not_sync!(
        broadcast::Sender<SendOnly>,
        broadcast::Receiver<SendOnly>,
        broadcast::WeakSender<SendOnly>
    );
    not_send!(broadcast::Sender<SyncOnly>, broadcast::Receiver<SyncOnly>);
    not_send!(
        broadcast::Recv<'static, SendOnly>,
        broadcast::Stream<'static, SendOnly>,
        broadcast::SendError<Neither>
    );
    immovable!(broadcast::Recv<'static, u8>, broadcast::Stream<'static, u8>);

    #[test]
    fn it_goes_where_its_value_may_be_shared() {
        everywhere!(
            broadcast::Sender<u8>,
            broadcast::Receiver<u8>,
            broadcast::WeakSender<u8>
        );
        everywhere!(broadcast::Recv<'static, u8>, broadcast::Stream<'static, u8>);
        everywhere!(
            broadcast::SendError<u8>,
            broadcast::RecvError,
            broadcast::TryRecvError,
            broadcast::Lagged
        );
        movable!(
            broadcast::Sender<u8>,
            broadcast::Receiver<u8>,
            broadcast::WeakSender<u8>
        );
        survives_panics!(
            broadcast::Sender<u8>,
            broadcast::Receiver<u8>,
            broadcast::WeakSender<u8>
        );
    }
}
