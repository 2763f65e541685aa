//! tokio's `task_local`, with a linked list in it: what a program writes that wants to know on whose behalf a task runs.

use std::future::Future;
use std::iter;
use std::sync::Arc;

use tokio::task_local;

use super::LIBRARY;
use crate::library::{self, Library};
use crate::rt::Joined;

/// A list of names in a `task_local`.
pub(crate) struct Lines;

struct Frame {
    _name: &'static str,
    below: Option<Arc<Frame>>,
}

task_local! {
    static LINE: Option<Arc<Frame>>;
}

impl library::Lines for Lines {
    const LIBRARY: Library = LIBRARY;

    fn within<F: Future + Send>(depth: u64, future: F) -> impl Future<Output = F::Output> + Send {
        let mut line = None;
        for _ in 0..depth {
            line = Some(Arc::new(Frame {
                _name: "step",
                below: line,
            }));
        }
        LINE.scope(line, future)
    }

    fn spawn(
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let line = LINE.with(Clone::clone);
        Joined(tokio::spawn(LINE.scope(line, task)))
    }

    fn depth() -> u64 {
        LINE.with(|line| {
            let frames = iter::successors(line.as_ref(), |frame| frame.below.as_ref());
            frames.count() as u64
        })
    }
}
