//! lenio's throughline.

use std::future::Future;

use lenio::throughline::{self, Chain};

use super::LIBRARY;
use crate::library::{self, Library};
use crate::rt::Joined;

/// lenio's throughline.
pub(crate) struct Lines;

impl library::Lines for Lines {
    const LIBRARY: Library = LIBRARY;

    fn within<F: Future + Send>(depth: u64, future: F) -> impl Future<Output = F::Output> + Send {
        let mut chain = Chain::empty();
        for _ in 0..depth {
            chain.push("step");
        }
        throughline::in_chain(chain, future)
    }

    fn spawn(
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        Joined(lenio::spawn(task))
    }

    fn depth() -> u64 {
        throughline::current().depth() as u64
    }
}
