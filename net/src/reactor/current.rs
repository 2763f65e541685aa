//! Which reactor new sockets of this thread belong to.

use super::Reactor;
use super::error::NoReactor;
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

thread_local! {
    /// Set by [`EnterGuard`] only.
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

/// Makes `reactor` the one that sockets made on this thread belong to, until the guard is dropped.
///
/// A runtime calls it once per worker thread and once per `block_on`. Calls nest; guards are to be dropped in the reverse order, as
/// scopes do. Costs one reference count each way.
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::{Reactor, enter};
/// use std::sync::Arc;
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::new()?;
/// let entered = enter(&reactor);
/// assert!(Arc::ptr_eq(&Reactor::current()?, &reactor));
/// drop(entered);
/// assert!(Reactor::current().is_err());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping the guard leaves the reactor at once"]
pub fn enter(reactor: &Arc<Reactor>) -> EnterGuard {
    EnterGuard {
        outer: replace(Some(reactor.clone())),
        _not_send: PhantomData,
    }
}

/// Puts back the reactor that was current before [`enter`].
///
/// It stays on its thread.
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::{EnterGuard, Reactor, enter};
///
/// # fn main() -> std::io::Result<()> {
/// let guard: EnterGuard = enter(&Reactor::new()?);
/// assert!(Reactor::current().is_ok());
/// # drop(guard);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EnterGuard {
    outer: Option<Arc<Reactor>>,
    /// The guard speaks of this thread's current reactor.
    _not_send: PhantomData<*mut ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        // The reactor that goes away is dropped here, with the borrow of the thread-local already over.
        drop(replace(self.outer.take()));
    }
}

impl Reactor {
    /// Returns the reactor of the runtime that this thread works for.
    ///
    /// # Errors
    ///
    /// [`NoReactor`], wrapped, on a thread that has not [`enter`]ed one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::reactor::{Reactor, enter};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(Reactor::current().is_err());
    /// let _entered = enter(&Reactor::new()?);
    /// assert!(Reactor::current().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn current() -> io::Result<Arc<Self>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
            .ok_or_else(|| NoReactor.into())
    }
}

/// While the thread is being torn down there is no current reactor: what was to be set is given back.
fn replace(next: Option<Arc<Reactor>>) -> Option<Arc<Reactor>> {
    let mut next = next;
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), &mut next));
    next
}
