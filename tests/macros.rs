//! The attributes, used the way users do.

use lenio::time::sleep;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[lenio::test]
async fn a_test_has_a_runtime_that_runs_tasks() {
    assert_eq!(lenio::spawn(async { 6 * 7 }).await.ok(), Some(42));
}

#[lenio::test(threads = 1 + 2, blocking_threads = 2, name = "macro")]
async fn options_are_expressions() -> Result<(), lenio::JoinError> {
    let name = lenio::spawn_blocking(|| thread::current().name().map(str::to_owned)).await?;
    let name = name.unwrap_or_default();
    assert!(name.starts_with("macro"), "{name}");
    Ok(())
}

#[lenio::test(current_thread)]
async fn on_the_current_thread_tasks_run_on_the_thread_of_the_test() {
    let here = thread::current().id();
    let there = lenio::spawn(async { thread::current().id() }).await;
    assert_eq!(there.ok(), Some(here));
}

#[lenio::test(virtual_clock)]
async fn on_the_virtual_clock_a_year_passes_at_once() {
    sleep(Duration::from_secs(365 * 24 * 3600)).await;
}

#[lenio::test]
#[should_panic(expected = "as it should")]
async fn a_panic_fails_the_test() {
    panic!("as it should");
}

#[lenio::main(threads = 2)]
async fn program() -> Result<u8, String> {
    let parse = |text: &'static str| lenio::spawn(async move { text.parse::<u8>() });
    let number = parse("7").await.map_err(|error| error.to_string())?;
    number.map_err(|error| error.to_string())
}

#[test]
fn main_returns_what_its_body_returns() {
    assert_eq!(program(), Ok(7));
}

mod renamed {
    // As if the manifest had `runtime = { package = "lenio" }`.
    pub(crate) use lenio as runtime;

    #[runtime::main(current_thread, crate = crate::renamed::runtime)]
    pub(crate) async fn program() -> &'static str {
        runtime::yield_now().await;
        "renamed"
    }
}

#[test]
fn a_renamed_crate_is_found() {
    assert_eq!(renamed::program(), "renamed");
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

#[lenio::main(current_thread)]
async fn counted() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn each_call_of_main_starts_a_runtime_of_its_own() {
    counted();
    counted();
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}
