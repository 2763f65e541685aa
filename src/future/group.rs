//! Tuples of futures as groups that can be polled one by one. Everything that depends on the length of a tuple is here.

use super::slot::Slot;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A tuple of two to eight futures. Implemented for all of them, and not to be implemented elsewhere.
pub trait Tuple: sealed::Sealed {
    /// The futures with room for their outputs.
    type Group: Group;

    #[doc(hidden)]
    fn into_group(self) -> Self::Group;
}

/// Futures with room for their outputs; what a [`Tuple`] becomes.
pub trait Group: sealed::Sealed {
    /// The tuple of all outputs.
    type Outputs;

    /// How many futures there are.
    #[doc(hidden)]
    const COUNT: usize;

    #[doc(hidden)]
    fn poll_nth(self: Pin<&mut Self>, nth: usize, cx: &mut Context<'_>) -> Poll<()>;

    #[doc(hidden)]
    fn take_all(self: Pin<&mut Self>) -> Self::Outputs;
}

/// A [`Group`] whose outputs are all results with the same error.
pub trait TryGroup: Group {
    /// The tuple of all successful outputs.
    type Successes;
    /// The error that the results share.
    type Error;

    #[doc(hidden)]
    fn take_error(self: Pin<&mut Self>, nth: usize) -> Option<Self::Error>;

    #[doc(hidden)]
    fn take_successes(self: Pin<&mut Self>) -> Self::Successes;
}

/// A [`Group`] whose outputs are all of one type.
pub trait Racers: Group {
    /// What each future puts out.
    type Output;

    #[doc(hidden)]
    fn take_nth(self: Pin<&mut Self>, nth: usize) -> Self::Output;
}

/// Polls each future of the group once, beginning with the one that `start` names, and moves `start` on for the next time.
///
/// Stops at the first future for which `is_enough` holds once it is done, and returns it; else tells whether all are done.
pub(super) fn poll_round<G: Group>(
    mut group: Pin<&mut G>,
    start: &mut usize,
    cx: &mut Context<'_>,
    mut is_enough: impl FnMut(Pin<&mut G>, usize) -> bool,
) -> Round {
    let first = *start;
    *start = (first + 1) % G::COUNT;
    let mut all_done = true;
    for step in 0..G::COUNT {
        let nth = (first + step) % G::COUNT;
        if group.as_mut().poll_nth(nth, cx).is_pending() {
            all_done = false;
        } else if is_enough(group.as_mut(), nth) {
            return Round::Enough(nth);
        }
    }
    if all_done {
        Round::AllDone
    } else {
        Round::Pending
    }
}

/// How a round of polls ended.
pub(super) enum Round {
    Enough(usize),
    AllDone,
    Pending,
}

/// `group!(Name, count: Future slot index Success, ..)` makes one group type and implements the traits above for it and its tuple.
macro_rules! group {
    ($group:ident, $count:literal: $($future:ident $slot:ident $nth:literal $success:ident),+) => {
        pin_project! {
            #[doc = concat!("A group of ", stringify!($count), " futures.")]
            pub struct $group<$($future: Future),+> {
                $(#[pin] $slot: Slot<$future>,)+
            }
        }

        impl<$($future: Future),+> fmt::Debug for $group<$($future),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Group").field("count", &$count).finish_non_exhaustive()
            }
        }

        impl<$($future: Future),+> sealed::Sealed for ($($future,)+) {}
        impl<$($future: Future),+> sealed::Sealed for $group<$($future),+> {}

        impl<$($future: Future),+> Tuple for ($($future,)+) {
            type Group = $group<$($future),+>;

            fn into_group(self) -> Self::Group {
                let ($($slot,)+) = self;
                $group { $($slot: Slot::new($slot),)+ }
            }
        }

        impl<$($future: Future),+> Group for $group<$($future),+> {
            type Outputs = ($($future::Output,)+);
            const COUNT: usize = $count;

            fn poll_nth(self: Pin<&mut Self>, nth: usize, cx: &mut Context<'_>) -> Poll<()> {
                let slots = self.project();
                match nth {
                    $($nth => slots.$slot.poll(cx),)+
                    _ => unreachable!("a group has as many futures as it says"),
                }
            }

            fn take_all(self: Pin<&mut Self>) -> Self::Outputs {
                let slots = self.project();
                ($(slots.$slot.take(),)+)
            }
        }

        impl<$($future, $success,)+ Error> TryGroup for $group<$($future),+>
        where
            $($future: Future<Output = Result<$success, Error>>,)+
        {
            type Successes = ($($success,)+);
            type Error = Error;

            fn take_error(self: Pin<&mut Self>, nth: usize) -> Option<Error> {
                let slots = self.project();
                match nth {
                    $($nth => take_error(slots.$slot),)+
                    _ => unreachable!("a group has as many futures as it says"),
                }
            }

            fn take_successes(self: Pin<&mut Self>) -> Self::Successes {
                let slots = self.project();
                ($(take_success(slots.$slot),)+)
            }
        }

        impl<Output, $($future: Future<Output = Output>),+> Racers for $group<$($future),+> {
            type Output = Output;

            fn take_nth(self: Pin<&mut Self>, nth: usize) -> Output {
                let slots = self.project();
                match nth {
                    $($nth => slots.$slot.take(),)+
                    _ => unreachable!("a group has as many futures as it says"),
                }
            }
        }
    };
}

group!(Group2, 2: A a 0 TA, B b 1 TB);
group!(Group3, 3: A a 0 TA, B b 1 TB, C c 2 TC);
group!(Group4, 4: A a 0 TA, B b 1 TB, C c 2 TC, D d 3 TD);
group!(Group5, 5: A a 0 TA, B b 1 TB, C c 2 TC, D d 3 TD, E e 4 TE);
group!(Group6, 6: A a 0 TA, B b 1 TB, C c 2 TC, D d 3 TD, E e 4 TE, F f 5 TF);
group!(Group7, 7: A a 0 TA, B b 1 TB, C c 2 TC, D d 3 TD, E e 4 TE, F f 5 TF, G g 6 TG);
group!(Group8, 8: A a 0 TA, B b 1 TB, C c 2 TC, D d 3 TD, E e 4 TE, F f 5 TF, G g 6 TG, H h 7 TH);

fn take_error<F, T, E>(mut slot: Pin<&mut Slot<F>>) -> Option<E>
where
    F: Future<Output = Result<T, E>>,
{
    let is_error = slot.as_mut().output().is_some_and(|output| output.is_err());
    if is_error { slot.take().err() } else { None }
}

fn take_success<F, T, E>(slot: Pin<&mut Slot<F>>) -> T
where
    F: Future<Output = Result<T, E>>,
{
    match slot.take() {
        Ok(success) => success,
        Err(_) => unreachable!("an error ends the group when it appears"),
    }
}

mod sealed {
    /// Keeps the traits of this module to the tuples.
    pub trait Sealed {}
}
