#![expect(
    unsafe_code,
    reason = "one allocation shared by two ends without a reference count: the state word says whose it is"
)]
//! The two ends and the memory between them. Private to `oneshot`.
//!
//! Which end may touch which cell, and when, is told in `state`; this file only does what the word says.

use super::state::{Closing, Finished, Last, Seen, Sender, Side, State, Waiting};
use crate::contain::contain;
use crate::primitive::UnsafeCell;
use crate::wait::wake;
use std::mem::{self, MaybeUninit};
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Waker};

struct Shared<T> {
    state: State,
    /// Where the channel was made. Here and not in the receiver's end: that is one pointer, which moves through a register. Two words
    /// are moved as one wide load right behind two stores, for which the processor waits (4 of 22 ns in the row `oneshot1`).
    at: &'static Location<'static>,
    value: Place<T>,
    receiver: Place<Waker>,
    sender: Place<Waker>,
}

/// A place for a thing, which is there or not by the state word.
struct Place<T>(UnsafeCell<MaybeUninit<T>>);

// No foreign code runs while a place is being written or read, so a panic finds it as the state word says.
impl<T> std::panic::RefUnwindSafe for Place<T> {}

impl<T> Place<T> {
    #[inline]
    fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    ///
    /// Nobody else reads or writes the place now, and it is empty (else what is there is leaked).
    #[inline]
    unsafe fn write(&self, thing: T) {
        // SAFETY: exclusive by contract; the cell is alive because `self` is.
        let place = self.0.with_mut(|place| unsafe { &mut *place });
        place.write(thing);
    }

    /// # Safety
    ///
    /// The thing is there, nobody writes the place now, and nobody else takes the same thing.
    #[inline]
    unsafe fn take(&self) -> T {
        // SAFETY: nobody writes by contract.
        let place = self.0.with(|place| unsafe { &*place });
        // SAFETY: it is there, and taken once only, by contract.
        unsafe { place.assume_init_read() }
    }

    /// To be called by the one who frees: in models the cell notices whoever is not through with it.
    fn debug_assert_alone(&self) {
        debug_assert!(self.0.with_mut(|place| !place.is_null()));
    }
}

impl Place<Waker> {
    /// # Safety
    ///
    /// A waker was written by this side, and nobody writes the place now. It may have been taken, even woken, by the other side: only
    /// its bits are compared.
    unsafe fn will_wake(&self, waker: &Waker) -> bool {
        // SAFETY: nobody writes by contract.
        let place = self.0.with(|place| unsafe { &*place });
        // SAFETY: written once, by contract; taking copies the bits and leaves them here, and `will_wake` follows no pointer.
        unsafe { place.assume_init_ref() }.will_wake(waker)
    }
}

impl<T> Shared<T> {
    fn place(&self, side: Side) -> &Place<Waker> {
        match side {
            Side::Receiver => &self.receiver,
            Side::Sender => &self.sender,
        }
    }

    /// Stores the waker of `cx` for `side`. Returns false if the wait is over.
    ///
    /// # Safety
    ///
    /// Called by that side only, one call at a time.
    unsafe fn wait(&self, side: Side, cx: &Context<'_>) -> bool {
        let place = self.place(side);
        match self.state.waiting(side) {
            Waiting::Over => return false,
            Waiting::Yes => {
                // SAFETY: this side wrote it, and only this side writes.
                let is_there = unsafe { place.will_wake(cx.waker()) };
                if is_there {
                    return true;
                }
            }
            Waiting::No => {}
        }
        // Nothing has been changed yet: a waker whose clone panics does no harm.
        let fresh = cx.waker().clone();
        // SAFETY: called by that side only.
        let old = unsafe { self.reclaim(side) };
        // SAFETY: no waker is published, so the place is this side's and empty, unless the wait is over. Then it is not written to.
        let is_stored = unsafe { self.store(side, fresh) };
        if is_stored {
            drop(old);
        } else {
            // The outcome is there; it must not be lost with a waker that panics.
            contain(|| drop(old));
        }
        is_stored
    }

    /// # Safety
    ///
    /// Called by that side only, while no waker of it is published, or the wait is over.
    unsafe fn store(&self, side: Side, waker: Waker) -> bool {
        if !matches!(self.state.waiting(side), Waiting::No) {
            contain(|| drop(waker));
            return false;
        }
        let place = self.place(side);
        // SAFETY: the wait was not over and no waker was published, and only this side publishes: the place is empty and ours.
        unsafe { place.write(waker) };
        if self.state.publish(side) {
            return true;
        }
        // SAFETY: written above and not published: nobody else takes it.
        let waker = unsafe { place.take() };
        contain(|| drop(waker));
        false
    }

    /// Takes the stored waker of `side` back, if there is one and the wait is not over.
    ///
    /// # Safety
    ///
    /// Called by that side only.
    unsafe fn reclaim(&self, side: Side) -> Option<Waker> {
        if !self.state.reclaim(side) {
            return None;
        }
        // SAFETY: it was published, and the right to it came back with the change of the word.
        Some(unsafe { self.place(side).take() })
    }
}

/// Makes the shared memory.
pub(super) fn pair<T>(at: &'static Location<'static>) -> (SendEnd<T>, RecvEnd<T>) {
    let shared = Box::new(Shared {
        state: State::new(),
        at,
        value: Place::new(),
        receiver: Place::new(),
        sender: Place::new(),
    });
    let shared = NonNull::from(Box::leak(shared));
    (SendEnd(shared), RecvEnd(shared))
}

/// Frees the memory.
///
/// # Safety
///
/// The state word says that the caller is alone. The value and the receiver's waker have been taken, or were never there.
unsafe fn free<T>(shared: NonNull<Shared<T>>) {
    // SAFETY: made by `pair`, and freed once: by the one who is alone.
    let shared = unsafe { Box::from_raw(shared.as_ptr()) };
    shared.value.debug_assert_alone();
    shared.receiver.debug_assert_alone();
    shared.sender.debug_assert_alone();
    if shared.state.has_left_waker() {
        // SAFETY: it was published, the sender is through, and a receiver that closed would have taken the bit away.
        let waker = unsafe { shared.sender.take() };
        drop(shared);
        contain(|| drop(waker));
    }
}

/// The sender's end. Dropping it finishes without a value.
pub(super) struct SendEnd<T>(NonNull<Shared<T>>);

// SAFETY: the pointer forbids the auto trait. Values go from one end to the other, wakers are Send, the state word orders all.
unsafe impl<T: Send> Send for SendEnd<T> {}
// SAFETY: as above; `&SendEnd` only reads the state word.
unsafe impl<T: Send> Sync for SendEnd<T> {}

impl<T> SendEnd<T> {
    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: the memory lives until this end has finished, and that takes the end by value.
        unsafe { self.0.as_ref() }
    }

    /// Finishes with a value, or gives it back.
    #[inline]
    pub(super) fn send(self, value: T) -> Result<(), T> {
        let shared = self.0;
        mem::forget(self);
        // SAFETY: alive: this end has not finished.
        let place = unsafe { &shared.as_ref().value };
        // SAFETY: the value's place is the sender's until it sends, and it sends once.
        unsafe { place.write(value) };
        // SAFETY: alive: this end has not finished.
        let owed = unsafe { shared.as_ref() }.state.send();
        match owed {
            Finished::Nothing => Ok(()),
            Finished::Waker => {
                // SAFETY: owed.
                unsafe { Self::wake_receiver(shared) };
                Ok(())
            }
            // SAFETY: owed.
            Finished::Value => Err(unsafe { Self::take_back(shared) }),
            Finished::Everything => {
                // SAFETY: alive until it is freed below.
                let place = unsafe { &shared.as_ref().value };
                // SAFETY: written above, and refused.
                let value = unsafe { place.take() };
                // SAFETY: owed; the value has been taken and the receiver has taken its waker back before it went.
                unsafe { free(shared) };
                Err(value)
            }
        }
    }

    /// # Safety
    ///
    /// The finish answered [`Finished::Waker`].
    unsafe fn wake_receiver(shared: NonNull<Shared<T>>) {
        // SAFETY: the memory is kept alive by what is owed.
        let place = unsafe { &shared.as_ref().receiver };
        // SAFETY: published, and the sender's from its finish on.
        let waker = unsafe { place.take() };
        // SAFETY: still owed.
        let last = unsafe { shared.as_ref() }.state.waker_taken();
        if matches!(last, Last::Free) {
            // SAFETY: the receiver is gone, has taken the value if there was one, and the waker is ours.
            unsafe { free(shared) };
        }
        wake(waker);
    }

    /// # Safety
    ///
    /// The finish answered [`Finished::Value`].
    unsafe fn take_back(shared: NonNull<Shared<T>>) -> T {
        // SAFETY: the memory is kept alive by what is owed.
        let place = unsafe { &shared.as_ref().value };
        // SAFETY: written before the finish, and a receiver that closed does not touch it.
        let value = unsafe { place.take() };
        // SAFETY: still owed.
        let last = unsafe { shared.as_ref() }.state.value_taken_back();
        if matches!(last, Last::Free) {
            // SAFETY: the receiver is gone and has taken its waker back before it closed; the value is ours.
            unsafe { free(shared) };
        }
        value
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.shared().state.is_closed()
    }

    /// Waits for the receiver to close or to go. Returns false if it has.
    pub(super) fn wait_closed(&mut self, cx: &Context<'_>) -> bool {
        // SAFETY: the sender's side, and `&mut` makes it one call at a time.
        unsafe { self.shared().wait(Side::Sender, cx) }
    }

    /// Takes the stored waker back, to be dropped by the caller.
    pub(super) fn stop_waiting(&mut self) -> Option<Waker> {
        // SAFETY: the sender's side, and `&mut` makes it one call at a time.
        unsafe { self.shared().reclaim(Side::Sender) }
    }
}

impl<T> Drop for SendEnd<T> {
    fn drop(&mut self) {
        match self.shared().state.abandon() {
            Finished::Nothing | Finished::Value => {}
            // SAFETY: owed.
            Finished::Waker => unsafe { Self::wake_receiver(self.0) },
            // SAFETY: owed; there is no value, and the receiver has taken its waker back before it went.
            Finished::Everything => unsafe { free(self.0) },
        }
    }
}

/// What the receiver got.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// Nothing yet.
    Pending,
    Value(T),
    /// No value will come.
    NoValue,
}

/// The receiver's end. Dropping it closes.
pub(super) struct RecvEnd<T>(NonNull<Shared<T>>);

// SAFETY: as for `SendEnd`.
unsafe impl<T: Send> Send for RecvEnd<T> {}
// SAFETY: as for `SendEnd`; `&RecvEnd` gives access to nothing.
unsafe impl<T: Send> Sync for RecvEnd<T> {}

impl<T> RecvEnd<T> {
    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: the memory lives until this end has left, and that takes the end by value.
        unsafe { self.0.as_ref() }
    }

    /// Takes the outcome, if there is one; that uses the end up.
    #[inline]
    pub(super) fn take(end: &mut Option<Self>) -> Outcome<T> {
        let Some(here) = end else {
            return Outcome::NoValue;
        };
        let shared = here.0;
        let (outcome, sender) = match here.shared().state.look() {
            Seen::Unfinished => return Outcome::Pending,
            Seen::NoValue(sender) => (Outcome::NoValue, sender),
            Seen::Value(sender) => {
                // SAFETY: the value is the receiver's, which forgets its end below, so that it is taken once.
                let value = unsafe { here.shared().value.take() };
                (Outcome::Value(value), sender)
            }
        };
        mem::forget(end.take());
        // SAFETY: this end is forgotten, and the value has been taken if there was one.
        unsafe { Self::part(shared, sender) };
        outcome
    }

    /// Ends the receiver's use of the memory after the sender finished or the channel was closed.
    ///
    /// # Safety
    ///
    /// The caller gives up its end. The value, if it is the receiver's, has been taken.
    #[inline]
    unsafe fn part(shared: NonNull<Shared<T>>, sender: Sender) {
        let last = match sender {
            Sender::Through => Last::Free,
            // SAFETY: alive: this end has not left.
            Sender::Around => unsafe { shared.as_ref() }.state.leave(),
        };
        if matches!(last, Last::Free) {
            // SAFETY: the sender is through and this end is given up. A stored waker of the receiver was the sender's to take.
            unsafe { free(shared) };
        }
    }

    /// Where the channel was made.
    pub(super) fn at(&self) -> &'static Location<'static> {
        self.shared().at
    }

    /// Waits for the sender. Returns false if it has finished.
    pub(super) fn wait(&mut self, cx: &Context<'_>) -> bool {
        // SAFETY: the receiver's side, and `&mut` makes it one call at a time.
        unsafe { self.shared().wait(Side::Receiver, cx) }
    }

    /// Refuses a value that has not been sent yet, and wakes the sender.
    pub(super) fn close(&mut self) {
        // SAFETY: the receiver's side, and `&mut` makes it one call at a time.
        let own = unsafe { self.shared().reclaim(Side::Receiver) };
        contain(|| drop(own));
        if let Closing::Waker = self.shared().state.close(false) {
            // SAFETY: published, and the receiver's since it closed.
            let waker = unsafe { self.shared().sender.take() };
            let _: Last = self.shared().state.closing_done(false);
            wake(waker);
        }
    }
}

impl<T> Drop for RecvEnd<T> {
    fn drop(&mut self) {
        // SAFETY: the receiver's side, and `&mut` makes it one call at a time.
        let own = unsafe { self.shared().reclaim(Side::Receiver) };
        // This may be part of a panic, and a second one would end the process. Before anything else that is foreign runs.
        contain(|| drop(own));
        let seen = self.shared().state.look();
        let closing = match seen {
            Seen::Unfinished => self.shared().state.close(true),
            Seen::Value(_) | Seen::NoValue(_) => Closing::TooLate,
        };
        match closing {
            Closing::Nothing => {}
            Closing::Waker => {
                // SAFETY: published, and the receiver's since it closed; the memory is alive as long as it has not left.
                let waker = unsafe { self.shared().sender.take() };
                if let Last::Free = self.shared().state.closing_done(true) {
                    // SAFETY: the sender is through and has taken its value back; our waker has been reclaimed.
                    unsafe { free(self.0) };
                }
                wake(waker);
            }
            Closing::TooLate => {
                let (value, sender) = match self.shared().state.look() {
                    // SAFETY: the value is the receiver's, and this is its end.
                    Seen::Value(sender) => (Some(unsafe { self.shared().value.take() }), sender),
                    Seen::NoValue(sender) => (None, sender),
                    Seen::Unfinished => unreachable!("too late means that it has finished"),
                };
                // SAFETY: this end is being dropped, and the value has been taken if there was one.
                unsafe { Self::part(self.0, sender) };
                drop(value);
            }
        }
    }
}
