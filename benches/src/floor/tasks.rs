//! What a task must cost: a box, a queue, one poll.

use std::collections::VecDeque;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// As large as a task with its header: spawn and join write and read this much.
struct Cell {
    words: [u64; 16],
}

/// Allocates `n` cells, queues them, marks each as done, then reads and frees all.
pub(crate) fn cell_batch(n: u64) {
    let mut queue: VecDeque<Box<Cell>> =
        (0..n).map(|i| Box::new(Cell { words: [i; 16] })).collect();
    for cell in &mut queue {
        cell.words[0] = 1;
    }
    let done: u64 = queue.drain(..).map(|cell| black_box(cell).words[0]).sum();
    assert_eq!(done, n);
}

/// Boxes `n` tasks, then polls and frees them in order.
pub(crate) fn boxed_batch(n: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    let tasks: VecDeque<Task> = (0..n).map(small_task).collect();
    for mut task in tasks {
        assert!(task.as_mut().poll(&mut cx).is_ready());
    }
}

/// One boxed task at a time: box, queue, poll, free.
pub(crate) fn boxed_one_by_one(n: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut queue: VecDeque<Task> = VecDeque::new();
    for i in 0..n {
        queue.push_back(small_task(i));
        let mut task = queue.pop_front().expect("one was pushed");
        assert!(task.as_mut().poll(&mut cx).is_ready());
    }
}

/// Captures a word, so that the box is a real allocation.
fn small_task(i: u64) -> Task {
    Box::pin(async move {
        black_box(i);
    })
}
