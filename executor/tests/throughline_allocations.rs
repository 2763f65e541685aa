#![expect(
    unsafe_code,
    reason = "an allocator that counts, in a program of its own"
)]
//! What the throughline allocates, and when.

use lenio_executor::throughline::{self, Chain, Frame, in_chain, in_frame};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator; a counter without a destructor cannot be gone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread allocates while `f` runs.
fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn a_push_is_one_allocation_and_a_capture_none() {
    let mut chain = Chain::empty();
    for _ in 0..8 {
        let push = || chain.push(Frame::new("frame").with("id", 7).with("user", "ann"));
        assert_eq!(allocations(push), 1);
    }
    throughline::restore(chain, || {
        assert_eq!(
            allocations(|| drop((throughline::current(), throughline::current()))),
            0
        );
        assert_eq!(allocations(|| throughline::enter("frame", || ())), 1);
        let captured = throughline::current();
        assert_eq!(
            allocations(|| throughline::restore(captured.clone(), || ())),
            0
        );
        assert_eq!(allocations(|| assert!(captured.value("id").is_some())), 0);
    });
}

#[test]
fn a_poll_allocates_nothing_not_even_the_first() {
    let mut cx = Context::from_waker(Waker::noop());
    let polls = Cell::new(0);
    let leaf = poll_fn(|_| {
        polls.set(polls.get() + 1);
        assert_eq!(throughline::current().depth(), 10);
        Poll::<()>::Pending
    });
    let around: Chain = std::iter::repeat_n("around", 8).collect();
    let mut future = pin!(in_chain(around, in_frame("a", in_frame("b", leaf))));
    let count = allocations(|| {
        for _ in 0..1000 {
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!(count, 0);
    assert_eq!(polls.get(), 1000);
}
