//! Scopes around a shared state.

use super::builder::ScopeBuilder;
use super::group::Scope;
use std::sync::Arc;

/// What [`scope_with`] returns: the result of the body, and the state.
#[derive(Debug)]
pub struct Returned<T, S> {
    /// What the body returned.
    pub output: T,
    /// The state. `Err` if somebody has kept a clone beyond the end of the scope: then it goes on being shared.
    pub state: Result<S, Arc<S>>,
}

/// Runs `body` as [`scope`](fn@crate::scope) does, with a state that it shares with its children; gives the state back at the end.
///
/// The children own the state together, through an `Arc`: so nothing that is forgotten or outlives the scope can make it go too early.
///
/// The handle of the state is a plain `Arc`, and not one that the compiler keeps inside of the scope: such a brand would need closures
/// over all lifetimes in every call, to rule out something that costs nothing but the state's return.
///
/// # Panics
///
/// If the body or a child panics.
///
/// # Cancel safety
///
/// As [`scope`](fn@crate::scope); the state goes with the last of those who share it.
///
/// # Examples
///
/// ```
/// use lenio_executor::scope_with;
/// use std::sync::Mutex;
///
/// lenio_executor::block_on(async {
///     let returned = scope_with(Mutex::new(vec![]), |s, list| async move {
///         for n in 0..3 {
///             let list = list.clone();
///             s.spawn(async move { list.lock().unwrap().push(n) });
///         }
///     });
///     let list = returned.await.state.unwrap();
///     assert_eq!(list.into_inner().unwrap().len(), 3);
/// });
/// ```
#[track_caller]
pub fn scope_with<S, B, F>(state: S, body: B) -> impl Future<Output = Returned<F::Output, S>>
where
    S: Send + Sync + 'static,
    B: FnOnce(Scope, Arc<S>) -> F,
    F: Future,
{
    let builder = ScopeBuilder::new();
    async move {
        let state = Arc::new(state);
        let shared = state.clone();
        let output = builder.run(|scope| body(scope, shared)).await;
        Returned {
            output,
            state: Arc::try_unwrap(state),
        }
    }
}
