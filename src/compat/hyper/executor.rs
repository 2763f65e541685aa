//! hyper's background work as tasks.

use hyper::rt::Executor;

/// Runs hyper's background work (HTTP/2 streams, client connections) as tasks of the current runtime.
///
/// # Examples
///
/// ```
/// use hyper::rt::Executor;
/// use lenio::compat::hyper::HyperExecutor;
///
/// # lenio::block_on(async {
/// HyperExecutor::new().execute(async { /* in a task of its own */ });
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HyperExecutor;

impl HyperExecutor {
    /// Makes an executor.
    pub const fn new() -> Self {
        Self
    }
}

impl<F> Executor<F> for HyperExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        // hyper reports through channels of its own; the task is detached.
        drop(lenio_executor::spawn(future));
    }
}
