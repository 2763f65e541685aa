//! What most programs use: `use lenio::prelude::*`.
//!
//! The extension traits come without names: they add methods and stand in nobody's way.

pub use lenio_executor::StopExt as _;
pub use lenio_executor::{
    JoinHandle, JoinSet, Runtime, block_on, check_stop, scope, spawn, spawn_blocking, spawn_child,
    try_scope, yield_now,
};
pub use lenio_net::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
pub use lenio_time::{sleep, timeout};
