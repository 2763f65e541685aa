//! hyper 1.x on lenio: its executor, its timer, its reading and writing.
//!
//! | hyper wants | here |
//! |---|---|
//! | [`rt::Read`](hyper::rt::Read) and [`rt::Write`](hyper::rt::Write) | [`HyperIo`] around a [`TcpStream`](crate::net::TcpStream), or around a [`Buffered`] stream with futures-io's traits |
//! | [`rt::Executor`](hyper::rt::Executor) | [`HyperExecutor`] |
//! | [`rt::Timer`](hyper::rt::Timer) | [`HyperTimer`] |
//!
//! # Examples
//!
//! A connection of a server, in the handler of [`serve`](crate::serve::serve):
//!
//! ```
//! use http_body_util::Full;
//! use hyper::body::{Bytes, Incoming};
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use lenio::compat::hyper::{HyperIo, HyperTimer};
//! use lenio::net::TcpStream;
//! use std::convert::Infallible;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("hello")))
//! }
//!
//! async fn handle(stream: TcpStream) -> hyper::Result<()> {
//!     hyper::server::conn::http1::Builder::new()
//!         .timer(HyperTimer::new())
//!         .serve_connection(HyperIo::new(stream), service_fn(hello))
//!         .await
//! }
//! ```

mod executor;
mod io;
mod timer;

pub use executor::HyperExecutor;
pub use io::{Buffered, HyperIo, HyperRead};
pub use timer::HyperTimer;
