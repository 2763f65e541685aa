//! Which threads a value may go to, whether it may be moved, and whether it survives a panic, is part of the interface.

use lenio_executor::context::{AccessError, Scope};
use lenio_executor::throughline::{Chain, Frame, Framed, Value};
use lenio_executor::{
    BlockScope, Builder, CancelOnDrop, Completer, Dump, EnterGuard, Handle, JoinError, JoinHandle,
    JoinLinked, JoinSet, LeftBehind, LocalSet, Metrics, NoRuntime, NotParent, OrStop, Report,
    Runtime, ScopeBuilder, ScopeError, ScopedHandle, SerialWorker, Shield, StopEvent, StopHandle,
    StopOnDrop, StopOrigin, StopPolicy, StuckTask, TaskBuilder, TaskId, TaskInfo, TaskLocal,
    WorkerMetrics,
};
use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomPinned;
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
/// May do neither.
type Neither = Rc<u8>;

// Guards and local sets stay on their thread.
assert_not!(EnterGuard<'static>: Send);
assert_not!(EnterGuard<'static>: Sync);
assert_not!(LocalSet: Send);
assert_not!(LocalSet: Sync);
// A handle takes its output along.
assert_not!(JoinHandle<Neither>: Send);
assert_not!(JoinHandle<Neither>: Sync);
assert_not!(JoinSet<Neither>: Send);
assert_not!(JoinSet<Neither>: Sync);
// A scope takes its value and its future along, and pins its future.
assert_not!(Scope<Neither, ()>: Send);
assert_not!(Scope<u8, Neither>: Send);
assert_not!(Scope<SendOnly, ()>: Sync);
assert_not!(Scope<u8, SendOnly>: Sync);
assert_not!(Scope<u8, PhantomPinned>: Unpin);
// Waits and shields pin their futures.
assert_not!(OrStop<PhantomPinned>: Unpin);
assert_not!(Shield<PhantomPinned>: Unpin);
// A completer and the handle of a borrowing task go where their output may.
assert_not!(Completer<Neither>: Send);
assert_not!(ScopedHandle<'static, Neither>: Send);
// So does a future in a frame.
assert_not!(Framed<Neither>: Send);
assert_not!(Framed<SendOnly>: Sync);
assert_not!(Framed<PhantomPinned>: Unpin);

#[test]
fn values_go_where_they_may() {
    macro_rules! everywhere {
        ($($type:ty),* $(,)?) => {
            $( send::<$type>(); sync::<$type>(); unpin::<$type>(); debug::<$type>(); )*
        };
    }
    everywhere!(
        Builder,
        Handle,
        JoinError,
        JoinHandle<u8>,
        JoinSet<u8>,
        LeftBehind,
        Metrics,
        NoRuntime,
        Report,
        Runtime,
        SerialWorker,
        StuckTask,
        TaskBuilder<'static>,
        TaskId,
        TaskLocal<u8>,
        WorkerMetrics,
        AccessError,
        Scope<u8, ()>,
        Chain,
        Frame,
        Framed<()>,
        Value,
        StopHandle,
        StopOrigin,
        StopPolicy,
        StopEvent,
        TaskInfo,
        lenio_executor::Scope<String>,
        ScopeBuilder,
        ScopeError<String>,
        OrStop<std::future::Ready<()>>,
        Completer<SendOnly>,
        StopOnDrop<SendOnly>,
        CancelOnDrop<SendOnly>,
        JoinLinked<SendOnly>,
        Dump,
        NotParent,
    );
    // Only the output decides, and through a shared handle nobody reaches the output.
    everywhere!(JoinHandle<SendOnly>, JoinSet<SendOnly>);
    send::<BlockScope<'static, 'static>>();
    sync::<BlockScope<'static, 'static>>();
    // The key of a value is no value.
    everywhere!(TaskLocal<Neither>);
    send::<Scope<SendOnly, SendOnly>>();
    // What stays on its thread may be moved there.
    unpin::<EnterGuard<'static>>();
    unpin::<LocalSet>();
    // Handles hold no future and no output: only a pointer to them.
    unpin::<JoinHandle<PhantomPinned>>();
    unpin::<JoinSet<PhantomPinned>>();
    debug::<EnterGuard<'static>>();
    debug::<LocalSet>();
}

#[test]
fn what_may_be_used_after_a_panic_says_so() {
    macro_rules! after_a_panic {
        ($($type:ty),* $(,)?) => { $( unwind_safe::<$type>(); )* };
    }
    after_a_panic!(
        JoinHandle<Cell<u8>>,
        JoinHandle<Neither>,
        LeftBehind,
        Metrics,
        NoRuntime,
        Report,
        StuckTask,
        TaskId,
        TaskLocal<Cell<u8>>,
        WorkerMetrics,
        AccessError,
        Chain,
        Frame,
        Framed<()>,
        Value,
    );
}

#[test]
fn the_functions_futures_go_to_other_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&lenio_executor::yield_now());
    let mut set = JoinSet::<u8>::new();
    is_send(&set.join_next());
    is_send(&set.shutdown());
    static KEY: TaskLocal<Cell<u8>> = TaskLocal::new();
    is_send(&KEY.scope(Cell::new(1), async {}));
    is_send(&lenio_executor::throughline::in_frame("f", async {}));
    is_send(&lenio_executor::stopped());
    is_send(&lenio_executor::shield(async {}));
    is_send(&lenio_executor::scope(|s| async move {
        s.spawn(async {}).await
    }));
    is_send(&lenio_executor::try_scope(|s| async move {
        s.spawn_fallible(async { Err::<(), _>("no") });
        Ok(())
    }));
    is_send(&lenio_executor::scope_with(1, |_, n| async move { *n }));
    let task = lenio_executor::spawn(async {});
    is_send(&task.stop_handle().done());
    is_send(&task.join_body());
    is_send(&task.stop_and_wait(""));
}

#[test]
fn errors_are_errors_and_ids_are_keys() {
    fn error<T: Error + Send + Sync + 'static>() {}
    error::<JoinError>();
    error::<NoRuntime>();
    error::<AccessError>();
    fn key<T: Copy + Ord + Hash>() {}
    key::<TaskId>();
}

#[test]
fn handles_and_errors_cost_a_word() {
    assert_eq!(size_of::<JoinHandle<()>>(), 8);
    assert_eq!(size_of::<JoinHandle<[u64; 100]>>(), 8);
    assert_eq!(size_of::<Option<TaskId>>(), 8);
    assert_eq!(size_of::<JoinError>(), 8);
    assert_eq!(size_of::<Result<(), JoinError>>(), 8);
    assert_eq!(size_of::<Handle>(), 8);
    assert_eq!(size_of::<Runtime>(), 8);
}
