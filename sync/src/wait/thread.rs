//! A plain thread that waits for a future.

use crate::park::Parker;
use crate::primitive::{MODEL, thread};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// The waker of a thread: it sleeps on its own parker.
struct Sleeper(Parker);

impl Sleeper {
    fn new() -> Arc<Self> {
        let parker = Parker::new(None);
        parker.adopt();
        Arc::new(Self(parker))
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// The sleeper of this thread, while nobody uses it. A wait inside of a wait makes itself another one.
    static SPARE: Cell<Option<Arc<Sleeper>>> = const { Cell::new(None) };
}

/// Blocks the calling thread until `future` is ready.
///
/// It polls the future here and sleeps in between; it drives no reactor, no timers and no tasks. For the primitives of this crate
/// that is enough: their `_blocking` methods are made of it. In a task use `.await`: this would block the worker.
///
/// Costs no allocation after the thread's first call, and no system call if the future is ready at once.
///
/// # Examples
///
/// ```
/// let event = std::sync::Arc::new(lenio_sync::Event::new());
/// let other = event.clone();
/// let thread = std::thread::spawn(move || other.set());
/// lenio_sync::wait::block_on(event.wait());
/// # thread.join().ok();
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // A loom thread is no thread of the system, and lives in one run of the model only.
    let spare = if MODEL {
        None
    } else {
        SPARE.try_with(Cell::take).unwrap_or(None)
    };
    let sleeper = spare.unwrap_or_else(Sleeper::new);
    let waker = Waker::from(sleeper.clone());
    let mut cx = Context::from_waker(&waker);
    let output = loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            break output;
        }
        if sleeper.0.try_take() {
            // Woken before it could sleep, perhaps by itself to let others go first.
            thread::yield_now();
        } else {
            sleeper.0.park(None);
        }
    };
    if !MODEL {
        // A thread that ends has no place for it any more.
        let _ = SPARE.try_with(|spare| spare.set(Some(sleeper)));
    }
    output
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[test]
    fn a_wait_inside_of_a_wait_ends_both() {
        let mut rounds = 0;
        let output = block_on(poll_fn(|cx| {
            rounds += 1;
            if rounds == 3 {
                return Poll::Ready(block_on(async { 7 }));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        assert_eq!(output, 7);
    }
}
