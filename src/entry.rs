//! What `#[lenio::main]` and `#[lenio::test]` expand to. Not part of the public interface.

use lenio_executor::{Builder, Runtime};
use std::future::Future;
use std::io;

/// Runs a program's main future. Without a runtime there is no program: says why, and ends it with code 1.
pub fn main<F: Future>(builder: Builder, future: F) -> F::Output {
    match builder.build() {
        Ok(runtime) => run(runtime, future),
        Err(error) => {
            eprintln!("error: {}", explain(&error));
            std::process::exit(1);
        }
    }
}

/// Runs a test's future.
///
/// # Panics
///
/// If there is no runtime to be had: the test fails.
#[track_caller]
pub fn test<F: Future>(builder: Builder, future: F) -> F::Output {
    match builder.build() {
        Ok(runtime) => run(runtime, future),
        Err(error) => panic!("{}", explain(&error)),
    }
}

fn run<F: Future>(runtime: Runtime, future: F) -> F::Output {
    runtime.block_on(future)
}

fn explain(error: &io::Error) -> String {
    format!("the runtime could not be started: {error}")
}
