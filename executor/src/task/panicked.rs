#![expect(
    unsafe_code,
    reason = "a task is asked about itself while it is polled"
)]
//! What a panic leaves behind.

use super::error::JoinError;
use super::header::Header;
use super::line;
use std::any::Any;
use std::ptr::NonNull;

/// The outcome of a task that has panicked. A scope takes the payload of its children, and leaves the message.
///
/// # Safety
///
/// The caller polls the task.
#[cold]
pub(super) unsafe fn panicked(task: NonNull<Header>, payload: Box<dyn Any + Send>) -> JoinError {
    // SAFETY: by contract.
    let header = unsafe { task.as_ref() };
    let id = header.id;
    let chain = line::take_of_panic();
    let Some(sink) = header.node().and_then(|node| node.sink()) else {
        return JoinError::panicked(id, payload).with_throughline(chain);
    };
    let message = JoinError::message_of(&*payload);
    sink.panicked(Some(id), payload);
    let left: Box<dyn Any + Send> = match message {
        Some(message) => Box::new(message),
        None => Box::new("a scope has taken the panic"),
    };
    JoinError::panicked(id, left)
        .taken()
        .with_throughline(chain)
}
