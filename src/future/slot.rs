//! The place of one future in a group, and later of its output.

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future that runs, or the output that it left, or nothing once the output was taken.
    #[project = SlotProjection]
    #[project_replace = SlotOwned]
    pub(super) enum Slot<F: Future> {
        Running { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

impl<F: Future> Slot<F> {
    pub(super) fn new(future: F) -> Self {
        Self::Running { future }
    }

    /// Polls the future if it still runs, and drops it as soon as it is done.
    pub(super) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let SlotProjection::Running { future } = self.as_mut().project() else {
            return Poll::Ready(());
        };
        match future.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(output) => {
                self.set(Self::Done { output });
                Poll::Ready(())
            }
        }
    }

    /// The output, where there is one that nobody has taken yet.
    pub(super) fn output(self: Pin<&mut Self>) -> Option<&mut F::Output> {
        match self.project() {
            SlotProjection::Done { output } => Some(output),
            _ => None,
        }
    }

    /// Takes the output out.
    ///
    /// # Panics
    ///
    /// If there is none: the future still runs, or the group was polled after it had completed.
    pub(super) fn take(mut self: Pin<&mut Self>) -> F::Output {
        if self.as_mut().output().is_none() {
            panic!("a group of futures was polled after it had completed");
        }
        match self.project_replace(Self::Taken) {
            SlotOwned::Done { output } => output,
            _ => unreachable!("the output was there a moment ago"),
        }
    }
}
