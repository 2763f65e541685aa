//! Adapters to the traits of other crates, each behind a feature of its own.

#[cfg(feature = "hyper")]
pub mod hyper;

#[cfg(feature = "log")]
pub mod log;

#[cfg(feature = "tracing")]
pub mod tracing;
