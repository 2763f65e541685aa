//! Channels: values on their way from task to task.

pub mod broadcast;
pub mod oneshot;
pub mod watch;

pub use broadcast::channel as broadcast;
pub use oneshot::channel as oneshot;
pub use watch::channel as watch;

#[cfg(all(test, not(lenio_loom)))]
mod hostile;
