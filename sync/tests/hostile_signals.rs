#![expect(
    unsafe_code,
    reason = "a waker whose clone can be hooked is made of a raw vtable"
)]
//! Wakers that use the primitive from inside of their clone, wake and drop, or panic there: `Notify`, `Barrier`, `OnceCell`, `Lazy` and
//! `WaitGroup` neither deadlock nor lose anybody's wake-up.

use lenio_sync::{Barrier, Lazy, Notify, OnceCell, WaitGroup};
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

/// What happens to a waker.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Clone,
    Wake,
    Drop,
}

const MOMENTS: [Moment; 3] = [Moment::Clone, Moment::Wake, Moment::Drop];

type Hook = Arc<dyn Fn(Moment) + Send + Sync>;

static VTABLE: RawWakerVTable = RawWakerVTable::new(raw_clone, raw_wake, raw_wake_by_ref, raw_drop);

/// A waker that calls `hook` before each thing that happens to it.
fn hooked(hook: impl Fn(Moment) + Send + Sync + 'static) -> Waker {
    let hook: Hook = Arc::new(hook);
    let data = Box::into_raw(Box::new(hook)).cast_const().cast::<()>();
    // SAFETY: the functions of the table take the box that `data` points to: each waker owns its own.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

/// # Safety
///
/// `data` belongs to a waker of `hooked` that lives for as long as the result is used.
unsafe fn borrow<'a>(data: *const ()) -> &'a Hook {
    // SAFETY: it is a box of this type (see `hooked`), alive by contract.
    unsafe { &*data.cast::<Hook>() }
}

/// # Safety
///
/// `data` belongs to a waker of `hooked` that is not used again.
unsafe fn own(data: *const ()) -> Hook {
    // SAFETY: it is a box of this type (see `hooked`), and this is its last use by contract.
    *unsafe { Box::from_raw(data.cast::<Hook>().cast_mut()) }
}

unsafe fn raw_clone(data: *const ()) -> RawWaker {
    // SAFETY: called with the data of a waker that lives.
    let hook = unsafe { borrow(data) };
    hook(Moment::Clone);
    let copy = Box::into_raw(Box::new(hook.clone()));
    RawWaker::new(copy.cast_const().cast(), &VTABLE)
}

unsafe fn raw_wake(data: *const ()) {
    // SAFETY: waking consumes the waker.
    let hook = unsafe { own(data) };
    hook(Moment::Wake);
}

unsafe fn raw_wake_by_ref(data: *const ()) {
    // SAFETY: called with the data of a waker that lives.
    let hook = unsafe { borrow(data) };
    hook(Moment::Wake);
}

unsafe fn raw_drop(data: *const ()) {
    // SAFETY: dropping consumes the waker.
    let hook = unsafe { own(data) };
    hook(Moment::Drop);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls with a waker and lets a panic of it pass.
fn poll_with<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Option<Poll<F::Output>> {
    catch_unwind(AssertUnwindSafe(|| {
        future.poll(&mut Context::from_waker(waker))
    }))
    .ok()
}

fn quietly(f: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(f));
}

/// Calls `attack` with wakers that call `act` or panic at each of the moments, and also do both.
fn each_hostile<P>(
    make: impl Fn() -> P,
    act: impl Fn(&P) + Copy + Send + Sync + 'static,
    attack: impl Fn(&P, &Waker),
) where
    P: Send + Sync + 'static,
{
    for at in MOMENTS {
        for (acts, panics) in [(true, false), (false, true), (true, true)] {
            let subject = Arc::new(make());
            let inside = subject.clone();
            let calls = Arc::new(AtomicUsize::new(0));
            let called = calls.clone();
            let hostile = hooked(move |moment| {
                if moment != at {
                    return;
                }
                called.fetch_add(1, Relaxed);
                if acts {
                    act(&inside);
                }
                assert!(!panics || std::thread::panicking(), "a waker that panics");
            });
            attack(&subject, &hostile);
            assert!(
                calls.load(Relaxed) > 0,
                "{at:?}: the attack came to nothing"
            );
            quietly(|| drop(hostile));
        }
    }
}

#[test]
fn notify() {
    let act = |notify: &Notify| {
        let _ = poll(pin!(notify.notified()));
        notify.notify_one();
        notify.notify_waiters();
        let _ = pin!(notify.notified()).enable();
        notify.notify_one();
    };
    each_hostile(Notify::new, act, |notify, hostile| {
        for all in [false, true] {
            let count = Arc::new(Count::default());
            let waker = Waker::from(count.clone());
            let mut first = Box::pin(notify.notified());
            let mut second = Box::pin(notify.notified());
            let _ = poll_with(first.as_mut(), hostile);
            let other = hostile.clone_quietly();
            if let Some(other) = &other {
                let _ = poll_with(first.as_mut(), other);
            }
            let waits = poll_with(second.as_mut(), &waker) == Some(Poll::Pending);
            let before = count.0.load(Relaxed);
            quietly(|| notify.notify_waiters());
            if waits && before == 0 {
                assert_eq!(count.0.load(Relaxed), 1, "the other one is woken");
            }
            if !all {
                quietly(|| notify.notify_one());
            }
            quietly(|| drop(first));
            drop(second);
            quietly(|| drop(other));
        }
        // It still works: exactly one permit.
        let _ = poll(pin!(notify.notified()));
        notify.notify_one();
        assert!(poll(pin!(notify.notified())).is_ready());
        assert!(poll(pin!(notify.notified())).is_pending());
    });
}

#[test]
fn a_notification_that_ends_in_a_panicking_waker_is_not_lost() {
    let notify = Notify::new();
    let hostile = hooked(|moment| assert!(moment != Moment::Wake, "a waker that panics"));
    let mut chosen = Box::pin(notify.notified());
    assert!(poll_with(chosen.as_mut(), &hostile) == Some(Poll::Pending));
    assert!(catch_unwind(AssertUnwindSafe(|| notify.notify_one())).is_err());
    assert!(poll(chosen.as_mut()).is_ready(), "it was chosen");
    let mut dropped = Box::pin(notify.notified());
    assert!(poll_with(dropped.as_mut(), &hostile) == Some(Poll::Pending));
    quietly(|| notify.notify_one());
    drop(dropped);
    assert!(poll(pin!(notify.notified())).is_ready(), "passed on");
}

#[test]
fn barrier() {
    let act = |barrier: &Barrier| {
        // Comes and goes.
        let _ = poll(pin!(barrier.wait()));
        assert!(barrier.arrivals() < barrier.size());
    };
    each_hostile(
        || Barrier::new(3),
        act,
        |barrier, hostile| {
            let count = Arc::new(Count::default());
            let waker = Waker::from(count.clone());
            let mut first = Box::pin(barrier.wait());
            let mut second = Box::pin(barrier.wait());
            let mut last = Box::pin(barrier.wait());
            let _ = poll_with(first.as_mut(), hostile);
            let other = hostile.clone_quietly();
            if let Some(other) = &other {
                let _ = poll_with(first.as_mut(), other);
            }
            let _ = poll_with(first.as_mut(), Waker::noop());
            let _ = poll_with(first.as_mut(), hostile);
            assert!(poll_with(second.as_mut(), &waker) == Some(Poll::Pending));
            assert_eq!(barrier.arrivals(), 2);
            // The wake-ups happen in here, and may panic. With the hostile waker its clone would arrive before this one.
            let _ = poll_with(last.as_mut(), Waker::noop());
            let _ = poll_with(last.as_mut(), Waker::noop());
            assert_eq!(count.0.load(Relaxed), 1, "the other one is woken");
            let passed = [
                poll(first.as_mut()),
                poll(second.as_mut()),
                poll(last.as_mut()),
            ];
            let mut indices: Vec<_> = passed
                .map(|passed| match passed {
                    Poll::Ready(passed) => passed.index(),
                    Poll::Pending => panic!("the generation was complete"),
                })
                .into();
            indices.sort_unstable();
            assert_eq!(indices, [0, 1, 2]);
            assert_eq!(barrier.arrivals(), 0);
            // A waiter that is dropped takes its arrival back, whatever its waker does.
            let mut again = Box::pin(barrier.wait());
            let _ = poll_with(again.as_mut(), Waker::noop());
            let _ = poll_with(again.as_mut(), hostile);
            quietly(|| drop(again));
            assert_eq!(barrier.arrivals(), 0);
            quietly(|| drop(other));
        },
    );
}

#[test]
fn once_cell() {
    let act = |cell: &OnceCell<u32>| {
        let _ = cell.set(9);
        let _ = poll(pin!(cell.wait()));
        let _ = poll(pin!(cell.get_or_init(pending)));
    };
    each_hostile(OnceCell::new, act, |cell, hostile| {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut making = Box::pin(cell.get_or_init(pending));
        let _ = poll_with(making.as_mut(), Waker::noop());
        let mut waits = Box::pin(cell.get_or_init(|| ready(1)));
        let mut watches = Box::pin(cell.wait());
        let mut other = Box::pin(cell.get_or_init(|| ready(2)));
        let _ = poll_with(waits.as_mut(), hostile);
        let _ = poll_with(watches.as_mut(), hostile);
        let _ = poll_with(waits.as_mut(), Waker::noop());
        let _ = poll_with(watches.as_mut(), Waker::noop());
        let _ = poll_with(waits.as_mut(), hostile);
        let _ = poll_with(watches.as_mut(), hostile);
        assert!(poll_with(other.as_mut(), &waker) == Some(Poll::Pending));
        quietly(|| drop(making));
        quietly(|| drop(waits));
        // The other one was woken for the turn, or because there is a value.
        assert!(count.0.load(Relaxed) > 0);
        // It may make the value, and then the wake-ups happen in here.
        let made = poll_with(other.as_mut(), Waker::noop());
        assert!(matches!(made, None | Some(Poll::Ready(2 | 9))));
        assert!(poll(watches.as_mut()).is_ready());
        quietly(|| drop(watches));
        assert_eq!(cell.get_or_init_blocking(|| 3), cell.get().expect("set"));
    });
}

/// A waker is cloned after the look without the lock and before the look under it, so its clone is where a race can be played.
#[test]
fn a_value_that_comes_between_the_two_looks_is_seen() {
    let sets = |cell: &Arc<OnceCell<u32>>| {
        let cell = cell.clone();
        hooked(move |moment| {
            if moment == Moment::Clone {
                let _ = cell.set(9);
            }
        })
    };
    let cell = Arc::new(OnceCell::new());
    let mut asks = Box::pin(cell.get_or_init(|| ready(1)));
    let waker = sets(&cell);
    assert_eq!(poll_with(asks.as_mut(), &waker), Some(Poll::Ready(&9)));
    let cell = Arc::new(OnceCell::new());
    let mut waits = Box::pin(cell.wait());
    let waker = sets(&cell);
    assert_eq!(poll_with(waits.as_mut(), &waker), Some(Poll::Ready(&9)));
}

#[test]
fn lazy() {
    type Made = Lazy<u32>;
    let act = |lazy: &Made| {
        let _ = poll(pin!(lazy.force()));
    };
    let make = || -> Made {
        Lazy::new(|| {
            let mut polls = 0;
            Box::pin(std::future::poll_fn(move |_| {
                polls += 1;
                if polls < 6 {
                    return Poll::Pending;
                }
                Poll::Ready(7)
            }))
        })
    };
    each_hostile(make, act, |lazy, hostile| {
        let mut drives = Box::pin(lazy.force());
        let _ = poll_with(drives.as_mut(), Waker::noop());
        let mut waits = Box::pin(lazy.force());
        let _ = poll_with(waits.as_mut(), hostile);
        let _ = poll_with(waits.as_mut(), Waker::noop());
        let _ = poll_with(waits.as_mut(), hostile);
        quietly(|| drop(drives));
        quietly(|| drop(waits));
        let mut rest = pin!(lazy.force());
        for _ in 0..6 {
            let _ = poll_with(rest.as_mut(), Waker::noop());
        }
        assert_eq!(lazy.get(), Some(&7));
    });
}

#[test]
fn wait_group() {
    let act = |group: &WaitGroup| {
        let member = group.add();
        let _ = poll(pin!(group.wait()));
        drop(member.clone());
        drop(member);
    };
    each_hostile(WaitGroup::new, act, |group, hostile| {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let member = group.add();
        let mut first = Box::pin(group.wait());
        let mut second = Box::pin(group.wait());
        let _ = poll_with(first.as_mut(), hostile);
        let _ = poll_with(first.as_mut(), Waker::noop());
        let _ = poll_with(first.as_mut(), hostile);
        assert!(poll_with(second.as_mut(), &waker) == Some(Poll::Pending));
        quietly(|| drop(member));
        assert_eq!(group.count(), 0);
        assert_eq!(count.0.load(Relaxed), 1, "the other one is woken");
        assert!(poll(second.as_mut()).is_ready());
        assert!(poll(first.as_mut()).is_ready());
        quietly(|| drop(first));
        // A waiter that goes while it waits.
        let member = group.add();
        let mut goes = Box::pin(group.wait());
        let _ = poll_with(goes.as_mut(), Waker::noop());
        let _ = poll_with(goes.as_mut(), hostile);
        quietly(|| drop(goes));
        drop(member);
        group.wait_blocking();
    });
}

/// What is dropped by a panic wakes others, and a waker that panics then must not abort the process.
#[test]
fn a_panic_that_drops_futures_and_members_survives_wakers_that_panic_too() {
    let panics = || hooked(|moment| assert!(moment == Moment::Clone, "a waker that panics"));
    let notify = Notify::new();
    let cell = OnceCell::new();
    let group = WaitGroup::new();
    let other = OnceCell::new();
    let wakers = [panics(), panics(), panics(), panics()];
    let (mut next, mut waits) = (pin!(notify.notified()), pin!(group.wait()));
    let mut turn = pin!(cell.get_or_init(|| ready(1)));
    let mut chosen = Box::pin(notify.notified());
    let mut making = Box::pin(cell.get_or_init(pending));
    let member = group.add();
    assert!(poll(chosen.as_mut()).is_pending());
    assert!(poll(making.as_mut()).is_pending());
    assert!(poll_with(next.as_mut(), &wakers[0]) == Some(Poll::Pending));
    assert!(poll_with(turn.as_mut(), &wakers[1]) == Some(Poll::Pending));
    assert!(poll_with(waits.as_mut(), &wakers[2]) == Some(Poll::Pending));
    let mut listed = Box::pin(notify.notified());
    assert!(poll_with(listed.as_mut(), &wakers[3]) == Some(Poll::Pending));
    notify.notify_one();
    // One that leaves the list without passing anything on.
    let mut leaves = Box::pin(group.wait());
    assert!(poll_with(leaves.as_mut(), &wakers[2]) == Some(Poll::Pending));
    // One that was woken for the turn, and passes it on to one whose waker panics.
    let mut ended = Box::pin(other.get_or_init(pending));
    let mut woken = Box::pin(other.get_or_init(pending));
    let mut after = pin!(other.get_or_init(|| ready(2)));
    assert!(poll(ended.as_mut()).is_pending());
    assert!(poll(woken.as_mut()).is_pending());
    assert!(poll_with(after.as_mut(), &wakers[1]) == Some(Poll::Pending));
    drop(ended);
    let result = catch_unwind(AssertUnwindSafe(move || {
        let _dropped = (leaves, woken, listed, chosen, making, member);
        panic!("a task that panics");
    }));
    assert!(result.is_err());
    assert!(poll(next).is_ready());
    assert!(poll(turn) == Poll::Ready(&1));
    assert!(poll(after) == Poll::Ready(&2));
    assert!(poll(waits).is_ready());
    for waker in wakers {
        lenio_sync::contain::contain(|| drop(waker));
    }
}

trait CloneQuietly: Sized {
    fn clone_quietly(&self) -> Option<Self>;
}

impl CloneQuietly for Waker {
    fn clone_quietly(&self) -> Option<Self> {
        catch_unwind(AssertUnwindSafe(|| self.clone())).ok()
    }
}

#[test]
fn what_is_shared_can_be_shared_and_what_is_pinned_stays() {
    fn shared<T: Send + Sync>() {}
    shared::<Notify>();
    shared::<Barrier>();
    shared::<lenio_sync::barrier::BarrierWait>();
    shared::<OnceCell<u32>>();
    shared::<Lazy<u32>>();
    shared::<WaitGroup>();
    shared::<lenio_sync::wait_group::Member>();
    shared::<lenio_sync::notify::Notified<'static>>();
    shared::<lenio_sync::barrier::Wait<'static>>();
    shared::<lenio_sync::once::Wait<'static, u32>>();
    shared::<lenio_sync::once::GetOrInit<'static, u32, fn(), ()>>();
    shared::<lenio_sync::once::GetOrTryInit<'static, u32, fn(), ()>>();
    shared::<lenio_sync::once::Force<'static, u32, fn()>>();
    shared::<lenio_sync::wait_group::Wait<'static>>();
}
