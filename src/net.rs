//! TCP and the readiness of any descriptor.

pub use lenio_net::tcp::*;
pub use lenio_net::{AsyncFd, NotReady, ReadyGuard, RegisterError};
