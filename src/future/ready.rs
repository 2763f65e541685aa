//! Which futures of a large group were woken: so that a wake costs one poll, not one per future of the group.
//!
//! Each future is polled with a waker of its own, which notes the future's number here and wakes the task that awaits the group.
//! Wakers are taken out under the lock and called, or dropped, after it.

use lenio_sync::primitive::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The numbers of the futures that want to be polled. A group that grows takes numbers out here and gives them back.
pub(super) struct Ready {
    locked: Mutex<Locked>,
}

struct Locked {
    /// In the order of their wakes, each number at most once.
    queue: VecDeque<usize>,
    /// For each future, whether its number is in the queue.
    is_queued: Vec<bool>,
    /// Numbers that were given back.
    free: Vec<usize>,
    /// Whom to wake for a new number; taken by the first wake after each poll.
    task: Option<Waker>,
}

impl Ready {
    /// A list in which all of `count` futures stand already: they have never been polled.
    pub(super) fn with_all(count: usize) -> Arc<Self> {
        Arc::new(Self {
            locked: Mutex::new(Locked {
                queue: (0..count).collect(),
                is_queued: vec![true; count],
                free: Vec::new(),
                task: None,
            }),
        })
    }

    /// Takes out a number for one more future. It does not stand in the list.
    pub(super) fn add(&self) -> usize {
        let mut locked = self.locked.lock();
        if let Some(number) = locked.free.pop() {
            return number;
        }
        locked.is_queued.push(false);
        locked.is_queued.len() - 1
    }

    /// Gives a number back. The waker of its future may live on: who has the number next is polled once too often for each late wake.
    pub(super) fn release(&self, number: usize) {
        self.locked.lock().free.push(number);
    }

    /// Makes the waker of one future.
    pub(super) fn waker(self: &Arc<Self>, number: usize) -> Waker {
        Waker::from(Arc::new(Child {
            ready: self.clone(),
            number,
        }))
    }

    /// From now on new numbers wake `task`, or nobody.
    pub(super) fn set_task(&self, task: Option<Waker>) {
        let old = std::mem::replace(&mut self.locked.lock().task, task);
        drop(old);
    }

    /// How many numbers are noted now.
    pub(super) fn len(&self) -> usize {
        self.locked.lock().queue.len()
    }

    /// Takes the number that was noted first. A wake from now on notes it again.
    pub(super) fn pop(&self) -> Option<usize> {
        let mut locked = self.locked.lock();
        let number = locked.queue.pop_front()?;
        locked.is_queued[number] = false;
        Some(number)
    }

    /// Puts the number into the list, and wakes the task.
    pub(super) fn note(&self, number: usize) {
        let mut locked = self.locked.lock();
        if std::mem::replace(&mut locked.is_queued[number], true) {
            return;
        }
        locked.queue.push_back(number);
        let task = locked.task.take();
        drop(locked);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// What stands behind the waker of one future.
struct Child {
    ready: Arc<Ready>,
    number: usize,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.ready.note(self.number);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.note(self.number);
    }
}
