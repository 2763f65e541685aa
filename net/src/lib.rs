//! Events and bytes from outside: a reactor over mio, TCP, readiness of any descriptor, signals.
//!
//! This crate knows no executor. A runtime makes a [`reactor::Reactor`], enters it on its threads and turns it when idle; everything
//! else here is futures that any executor can poll. Its modules, in the order in which they may import each other (each only what
//! stands left of it): `reactor . async_fd . tcp . io . signal`.
//!
//! - [`reactor`] waits for the kernel and remembers what it said.
//! - [`AsyncFd`] lends that to any descriptor.
//! - [`tcp`] listens, connects, reads and writes.
//! - [`io`] adds what one wants on top of futures-io's traits.
//! - [`signal`] turns Ctrl-C and `SIGTERM` into something to await.

pub mod reactor;

mod async_fd;

pub mod tcp;

pub mod io;

pub mod signal;

pub use async_fd::{AsyncFd, NotReady, ReadyGuard, RegisterError};
