//! Which threads the public types may go to, and how large those are that live in user's futures.

use lenio_time::{
    Alarm, Clock, Elapsed, EnterGuard, Instant, Interval, MissedTick, Sleep, Timeout, Timers,
};
use std::marker::PhantomPinned;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// Fails to compile where the type has the trait as well: then the compiler cannot choose one of the two implementations.
macro_rules! assert_not {
    ($($type:ty: $bound:ident),* $(,)?) => {$(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn chosen() {}
            }
            struct HasTheTrait;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $bound> Ambiguous<HasTheTrait> for T {}
            <$type>::chosen();
        };
    )*};
}

fn goes_everywhere<T: Send + Sync + Unpin>() {}
fn is_send_and_sync<T: ?Sized + Send + Sync>() {}

#[test]
fn everything_but_the_guard_goes_to_any_thread() {
    goes_everywhere::<Clock>();
    goes_everywhere::<Elapsed>();
    goes_everywhere::<Instant>();
    goes_everywhere::<Interval>();
    goes_everywhere::<MissedTick>();
    goes_everywhere::<Sleep>();
    goes_everywhere::<Timeout<()>>();
    goes_everywhere::<Timers>();
    is_send_and_sync::<dyn Alarm>();
}

assert_not! {
    EnterGuard: Send,
    EnterGuard: Sync,
    Timeout<Rc<()>>: Send,
    Timeout<Rc<()>>: Sync,
    Timeout<PhantomPinned>: Unpin,
}

#[test]
fn plain_values_survive_a_panic() {
    fn survives<T: UnwindSafe + RefUnwindSafe>() {}
    survives::<Elapsed>();
    survives::<Instant>();
    survives::<MissedTick>();
}

#[test]
fn futures_stay_small() {
    assert_eq!(size_of::<Instant>(), 8);
    assert_eq!(size_of::<Sleep>(), 40);
    assert_eq!(size_of::<Timeout<()>>(), 48);
    assert_eq!(size_of::<Interval>(), 64);
}
