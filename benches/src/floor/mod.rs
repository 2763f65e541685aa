//! What would it cost without a runtime? The physical floor: no row is won against it, at best tied.
//!
//! A regression would be a floor that does less than the row asks for, so that nobody can reach it, or more.

use std::io;
use std::net::TcpListener;

use crate::serve::Kind;

mod epoll_server;
pub(crate) mod poll;
pub(crate) mod ring;
pub(crate) mod tasks;
pub(crate) mod threads;
pub(crate) mod word;

/// Serves with raw epoll on threads.
pub(crate) fn serve(listener: &TcpListener, kind: Kind, workers: usize) -> io::Result<()> {
    epoll_server::run(listener, kind, workers)
}
