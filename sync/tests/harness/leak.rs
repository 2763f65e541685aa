//! Leaks that are meant.

use std::sync::{Mutex, PoisonError};

/// Never drops `value`. It stays reachable, so that a leak checker does not take a wanted leak for another one.
pub(crate) fn forget(value: impl Sized + 'static) {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let address = Box::into_raw(Box::new(value)).expose_provenance();
    KEPT.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(address);
}
