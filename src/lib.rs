//! A multi-threaded, work-stealing async runtime on mio.
//!
//! This page is a tutorial. The modules and functions below it say the rest, each with its costs and guarantees.
//!
//! # The smallest program
//!
//! ```
//! #[lenio::main]
//! async fn main() {
//!     println!("hello from a runtime");
//! }
//! ```
//!
//! [`#[lenio::main]`](macro@main) builds a [`Runtime`] with one worker thread per available core, runs the body on it and shuts it
//! down. Without the attribute this is `Runtime::new()?.block_on(async { .. })`. Where no runtime was built at all, [`block_on`] and
//! [`spawn`] start a default one.
//!
//! # Tasks
//!
//! [`spawn`] hands a future to the workers. Its [`JoinHandle`] is a future for the output:
//!
//! ```
//! # fn main() -> Result<(), lenio::JoinError> {
//! # lenio::block_on(async {
//! let handles: Vec<_> = (0..3).map(|n| lenio::spawn(async move { n * n })).collect();
//! let mut sum = 0;
//! for handle in handles {
//!     sum += handle.await?;
//! }
//! assert_eq!(sum, 5);
//! # Ok(()) })
//! # }
//! ```
//!
//! A panic in a task is an error of its handle, and of nothing else. Dropping the handle lets the task run on; `cancel()` drops the task
//! at its next suspension point. What computes for long or blocks its thread belongs into [`spawn_blocking`]:
//!
//! ```
//! # fn main() -> Result<(), lenio::JoinError> {
//! # lenio::block_on(async {
//! let sum = lenio::spawn_blocking(|| (0..1_000_000_u64).sum::<u64>()).await?;
//! assert_eq!(sum, 499_999_500_000);
//! # Ok(()) })
//! # }
//! ```
//!
//! For several futures within one task, without `'static`, see [`future`]: `join`, `race`, `select`.
//!
//! # Time
//!
//! ```
//! use lenio::time::{sleep, timeout};
//! use std::time::Duration;
//!
//! # lenio::block_on(async {
//! sleep(Duration::from_millis(1)).await;
//!
//! let never = std::future::pending::<()>();
//! assert!(timeout(Duration::from_millis(1), never).await.is_err());
//! # });
//! ```
//!
//! In tests time can be virtual: it stands still while anything can run and jumps to the next timer when nothing can.
//!
//! ```
//! # use std::time::Duration;
//! #[lenio::test(virtual_clock)]
//! async fn a_day_passes_at_once() {
//!     lenio::time::sleep(Duration::from_secs(24 * 3600)).await;
//! }
//! ```
//!
//! # A TCP echo server
//!
//! [`serve`](serve::serve) runs the accept loop: each connection gets a task, and neither a panicking handler nor a lack of file
//! descriptors ends it.
//!
//! ```no_run
//! use lenio::net::{TcpListener, TcpStream};
//! use lenio::prelude::*;
//! use lenio::serve::serve;
//!
//! #[lenio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:7007").await?;
//!     let echo = |mut stream: TcpStream, _peer| async move {
//!         let mut buffer = [0; 4096];
//!         while let Ok(read @ 1..) = stream.read(&mut buffer).await {
//!             if stream.write_all(&buffer[..read]).await.is_err() {
//!                 break;
//!             }
//!         }
//!     };
//!     let report = serve(listener, echo).stop_on_signals()?.await;
//!     println!("{report}");
//!     Ok(())
//! }
//! ```
//!
//! Ctrl-C and `SIGTERM` end the server: the connections are told, and have a grace to finish; see [how it ends](serve#how-it-ends) and the
//! example `graceful`.
//!
//! Streams have futures-io's traits; [`io`] adds `read_exact`, `lines`, `copy` and the like. With the feature `hyper`, hyper 1.x runs on
//! lenio: see `compat::hyper` and the example `http_hello`.
//!
//! # How work ends
//!
//! A stop is a message with a reason; a scope waits for what it started; cleanup may await. The [guide to stopping](guide::stopping) says
//! how it fits together.
//!
//! ```
//! use lenio::prelude::*;
//!
//! # fn main() -> Result<(), lenio::JoinError> {
//! # lenio::block_on(async {
//! let task = spawn(async {
//!     let stopped = std::future::pending::<()>().or_stop().await.unwrap_err();
//!     yield_now().await; // cleanup may await
//!     stopped.to_string()
//! });
//! yield_now().await;
//! task.stop("closing time");
//! assert_eq!(task.await?, "closing time");
//! # Ok(()) })
//! # }
//! ```
//!
//! # On whose behalf
//!
//! A [throughline](mod@throughline) names what is being done and for whom. It follows the code through its awaits, and log lines and
//! panics show it: see [`throughline::install_panic_hook`], and `compat::log` and `compat::tracing` behind the features `log` and
//! `tracing`.
//!
//! ```
//! use lenio::throughline;
//!
//! # lenio::block_on(async {
//! let answer = throughline!("request", id = 7 => async {
//!     throughline!("query" => async { format!("{:#}", throughline::current()) }).await
//! });
//! assert_eq!(answer.await, "request{id=7} > query");
//! # });
//! ```
//!
//! # Where mistakes lead
//!
//! | mistake | what happens |
//! |---|---|
//! | `block_on` inside of async code | it works: the thread goes on with other tasks meanwhile |
//! | a runtime is dropped inside of async code | it ends in the background |
//! | spawning on a runtime that has ended | the handle returns an error |
//! | a socket where there is no runtime | an error of its own type |
//! | a task that blocks its worker | other workers go on with its queue, I/O and timers; a hook gets its name and spawn site |
//!
//! # For those who change lenio
//!
//! The modules of this crate, in the order in which they may import each other: `entry . net . time . sync . future . serve . compat .
//! prelude . guide`.

pub mod compat;
pub mod future;
pub mod guide;
pub mod net;
pub mod prelude;
pub mod serve;
pub mod sync;
pub mod time;

// Public for the code that the attributes write, and for nobody else.
#[doc(hidden)]
pub mod entry;

pub use lenio_executor::*;
pub use lenio_macros::{main, test};
pub use lenio_net::{io, signal};

// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
