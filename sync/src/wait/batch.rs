#![expect(
    unsafe_code,
    reason = "a batch is made for every look at the kernel: clearing and checking all the empty places would cost more than the wakes"
)]
//! Wakers collected under a lock, woken after it.

use crate::contain::contain;
use crate::primitive::thread;
use std::fmt;
use std::mem::MaybeUninit;
use std::task::Waker;

const INLINE: usize = 64;

/// A handful of wakers to be woken once no lock is held.
///
/// Up to 64 wakers stay inline; more spill to the heap. Dropping the batch wakes what is left in it, so that a panic
/// on the way never costs a wake-up.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::WakeBatch;
/// use std::task::Waker;
///
/// let mut batch = WakeBatch::new();
/// batch.push(Waker::noop().clone());
/// assert_eq!(batch.len(), 1);
/// batch.wake_all();
/// assert!(batch.is_empty());
/// ```
pub struct WakeBatch {
    /// The first `used` places hold a waker, the others nothing.
    inline: [MaybeUninit<Waker>; INLINE],
    used: usize,
    spilled: Vec<Waker>,
}

impl WakeBatch {
    /// Makes an empty batch.
    #[inline]
    pub const fn new() -> Self {
        Self {
            inline: [const { MaybeUninit::uninit() }; INLINE],
            used: 0,
            spilled: Vec::new(),
        }
    }

    /// Adds a waker. Allocates from the 65th on.
    #[inline]
    pub fn push(&mut self, waker: Waker) {
        if let Some(place) = self.inline.get_mut(self.used) {
            place.write(waker);
            self.used += 1;
        } else {
            self.spilled.push(waker);
        }
    }

    /// How many wakers wait to be woken.
    pub fn len(&self) -> usize {
        self.used + self.spilled.len()
    }

    /// Whether there is nobody to wake.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Wakes everybody, in the order of [`push`](Self::push). No lock may be held.
    ///
    /// # Panics
    ///
    /// If a waker panics, the others are woken all the same; then the first panic is passed on, unless the thread is panicking already.
    #[inline]
    pub fn wake_all(&mut self) {
        if self.is_empty() {
            return;
        }
        if let Some(only) = self.take_only() {
            wake(only);
            return;
        }
        if thread::panicking() {
            // A second panic while one is under way would abort the process.
            drop(self.take());
            return;
        }
        let mut left = self.take();
        while let Some(waker) = left.next() {
            waker.wake();
        }
    }

    /// The one waker, if there is only one: it needs no guard, because nobody else can lose a wake-up by its panic.
    #[inline]
    fn take_only(&mut self) -> Option<Waker> {
        if self.used != 1 {
            return None;
        }
        self.used = 0;
        // SAFETY: the first place held a waker, and from the line above on nobody else reads it.
        Some(unsafe { self.inline[0].assume_init_read() })
    }

    /// Moves the duty to wake to the guard.
    #[inline]
    fn take(&mut self) -> Left<'_> {
        // From here on the places belong to the guard: whatever happens, nobody reads one twice.
        let used = std::mem::take(&mut self.used);
        // The guard takes them from the end.
        self.spilled.reverse();
        Left {
            inline: &self.inline[..used],
            spilled: &mut self.spilled,
        }
    }
}

impl Default for WakeBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeBatch")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Drop for WakeBatch {
    #[inline]
    fn drop(&mut self) {
        self.wake_all();
    }
}

/// Wakes. If a panic is under way, one of the waker ends here: it would abort the process.
#[inline]
pub(crate) fn wake(waker: Waker) {
    if thread::panicking() {
        contain(|| waker.wake());
    } else {
        waker.wake();
    }
}

/// Wakers that have left a batch and are not woken yet. Dropping it wakes them: that is what happens when one of them panics.
struct Left<'b> {
    /// Each place holds a waker that nobody else will read.
    inline: &'b [MaybeUninit<Waker>],
    /// In reverse order.
    spilled: &'b mut Vec<Waker>,
}

impl Left<'_> {
    #[inline]
    fn next(&mut self) -> Option<Waker> {
        let Some((first, rest)) = self.inline.split_first() else {
            return self.spilled.pop();
        };
        self.inline = rest;
        // SAFETY: the place holds a waker (see `inline`), and leaving the slice makes this the only read of it.
        Some(unsafe { first.assume_init_read() })
    }
}

impl Drop for Left<'_> {
    #[inline]
    fn drop(&mut self) {
        // A panic may be under way already: of several the first is passed on.
        while let Some(waker) = self.next() {
            contain(|| waker.wake());
        }
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::task::Wake;

    /// Notes its number when it is woken; the ones named in `panics` panic then.
    struct Numbered {
        number: usize,
        panics: bool,
        woken: Arc<Mutex<Vec<usize>>>,
    }

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            self.woken
                .lock()
                .expect("no panic inside")
                .push(self.number);
            if self.panics {
                std::panic::panic_any(self.number);
            }
        }
    }

    fn batch_of(count: usize, panics: &[usize]) -> (WakeBatch, Arc<Mutex<Vec<usize>>>) {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut batch = WakeBatch::new();
        for number in 0..count {
            let waker = Arc::new(Numbered {
                number,
                panics: panics.contains(&number),
                woken: woken.clone(),
            });
            batch.push(Waker::from(waker));
        }
        assert_eq!(batch.len(), count);
        (batch, woken)
    }

    #[test]
    fn everybody_is_woken_once_and_in_order() {
        for count in [0, 1, INLINE, INLINE + 1, 3 * INLINE] {
            let (mut batch, woken) = batch_of(count, &[]);
            batch.wake_all();
            assert!(batch.is_empty());
            drop(batch);
            assert_eq!(
                *woken.lock().expect("not poisoned"),
                Vec::from_iter(0..count)
            );
        }
    }

    #[test]
    fn a_waker_that_panics_costs_nobody_else_the_wake_and_the_first_panic_is_passed_on() {
        for panics in [[0, 1], [3, 20], [17, 30], [15, 16]] {
            let (mut batch, woken) = batch_of(31, &panics);
            let payload =
                catch_unwind(AssertUnwindSafe(|| batch.wake_all())).expect_err("two wakers panic");
            assert_eq!(payload.downcast_ref(), Some(&panics[0]));
            assert!(batch.is_empty());
            assert_eq!(*woken.lock().expect("not poisoned"), Vec::from_iter(0..31));
        }
    }

    #[test]
    fn a_batch_that_is_dropped_by_a_panic_wakes_in_spite_of_further_panics() {
        let (batch, woken) = batch_of(20, &[4, 18]);
        let payload = catch_unwind(AssertUnwindSafe(move || {
            let _batch = batch;
            std::panic::panic_any("the first");
        }))
        .expect_err("it panicked");
        assert_eq!(payload.downcast_ref(), Some(&"the first"));
        assert_eq!(*woken.lock().expect("not poisoned"), Vec::from_iter(0..20));
    }

    #[test]
    fn a_batch_can_be_filled_again() {
        let (mut batch, first) = batch_of(18, &[]);
        batch.wake_all();
        let (again, second) = batch_of(2, &[]);
        batch.push(Waker::noop().clone());
        drop((batch, again));
        assert_eq!(first.lock().expect("not poisoned").len(), 18);
        assert_eq!(second.lock().expect("not poisoned").len(), 2);
    }
}
