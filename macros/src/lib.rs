//! The attribute macros of lenio: [`main`](macro@main) and [`test`](macro@test).
//!
//! Use them through the crate `lenio`, as `#[lenio::main]` and `#[lenio::test]`. Both turn an `async fn` without arguments into a plain
//! function that builds a runtime, runs the body on it and shuts it down. Its modules, in the order in which they may import each
//! other: `options . entry`.

mod entry;
mod options;

use entry::Flavour;
use proc_macro::TokenStream;

/// Runs an `async fn main` on a runtime of its own.
///
/// The function is replaced by one that builds a runtime, hands it the body and returns what the body returns. If the operating
/// system refuses the runtime its threads or descriptors, the program prints why to standard error and exits with code 1.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `threads = N` | worker threads | what the machine (its quota and affinity) offers |
/// | `current_thread` | no worker threads: everything runs on the thread that called `main` | off |
/// | `blocking_threads = N` | most threads for blocking work | 128 |
/// | `name = ".."` | how the threads are named | `lenio` |
/// | `crate = path` | where the crate `lenio` is found, when it was renamed | `::lenio` |
///
/// `N` and `".."` may be any expression of the fitting type. `threads` and `current_thread` exclude each other.
///
/// # Examples
///
/// ```
/// #[lenio::main]
/// async fn main() {
///     let answer = lenio::spawn(async { 6 * 7 }).await;
///     assert_eq!(answer.ok(), Some(42));
/// }
/// ```
///
/// With options, and an error that `main` returns:
///
/// ```
/// #[lenio::main(threads = 2, name = "doctest")]
/// async fn main() -> Result<(), lenio::JoinError> {
///     lenio::spawn(lenio::yield_now()).await
/// }
/// ```
///
/// Where the crate has another name:
///
/// ```
/// extern crate lenio as runtime;
///
/// #[runtime::main(current_thread, crate = runtime)]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Flavour::Main, options.into(), item.into()).into()
}

/// Makes an `async fn` a test that runs on a runtime of its own.
///
/// Takes the options of [`main`](macro@main), and
///
/// | option | meaning | default |
/// |---|---|---|
/// | `virtual_clock` | time stands still while anything can run, and jumps to the next timer when nothing can | off |
///
/// A test runs on two worker threads unless told otherwise: enough for true parallelism, and the same on every machine. With
/// `virtual_clock` it runs on the current thread, so that the order of things does not depend on the machine either.
///
/// The attribute adds `#[test]`; `#[should_panic]`, `#[ignore]` and a returned `Result` work as they do for plain tests.
///
/// # Examples
///
/// ```
/// use lenio::time::sleep;
/// use std::time::Duration;
///
/// #[lenio::test(virtual_clock)]
/// async fn an_hour_passes_at_once() {
///     sleep(Duration::from_secs(3600)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Flavour::Test, options.into(), item.into()).into()
}
