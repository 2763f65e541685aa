//! Task identities.

use lenio_sync::primitive::plain::{AtomicU64, Ordering};
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;

/// The identity of a task: unique in the process and never reused.
///
/// # Examples
///
/// ```
/// let a = lenio_executor::spawn(async {});
/// let b = lenio_executor::spawn(async {});
/// assert_ne!(a.id(), b.id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(NonZeroU64);

/// Ids that a thread takes at a time: one shared counter touched once per block.
const BLOCK: u64 = 1024;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The next id of this thread's block, and the block's end.
    static MINE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

impl TaskId {
    /// What the handle of a task that never existed reports.
    pub(crate) const NONE: Self = Self(NonZeroU64::MAX);

    pub(crate) fn next() -> Self {
        let (mut next, mut end) = MINE.get();
        if next == end {
            // ORDERING: Relaxed: only uniqueness matters. At 2^54 blocks the counter cannot wrap in the life of a machine.
            next = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            end = next + BLOCK;
        }
        MINE.set((next + 1, end));
        Self(NonZeroU64::new(next).unwrap_or(NonZeroU64::MAX))
    }

    /// The identity as a number, for logs and for keys outside the process.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn from_u64(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}
