//! A future that has a throughline of its own.

use super::in_force::InForce;
use crate::context::chain::Chain;
use crate::task::line;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future whose throughline is in force while it is polled, and while it is dropped; made by
    /// [`in_frame`](super::in_frame) and [`in_chain`](super::in_chain).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Framed<F> {
        // Empty only during the drop.
        #[pin]
        future: Option<F>,
        chain: Chain,
        // Whether the chain is complete. Until the first poll it may lack all but its innermost frame.
        is_placed: bool,
    }

    impl<F> PinnedDrop for Framed<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What was never polled has entered nothing.
            if *this.is_placed {
                let _in_force = InForce::begin(this.chain);
                this.future.set(None);
            }
        }
    }
}

impl<F> Framed<F> {
    /// A future whose frame, the only one of `chain`, goes on top of what is in force at the first poll.
    pub(super) fn on_top(chain: Chain, future: F) -> Self {
        Self {
            future: Some(future),
            chain,
            is_placed: false,
        }
    }

    /// A future with just this chain.
    pub(super) fn instead(chain: Chain, future: F) -> Self {
        Self {
            future: Some(future),
            chain,
            is_placed: true,
        }
    }
}

impl<F: Future> Future for Framed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !*this.is_placed {
            this.chain.put_into(line::current());
            *this.is_placed = true;
        }
        let _in_force = InForce::begin(this.chain);
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for Framed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}
