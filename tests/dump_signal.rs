#![expect(unsafe_code, reason = "asks the kernel for a signal")]
//! A dump on `SIGUSR1`, seen from outside of the process.

use lenio::Runtime;
use std::env;
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

mod watchdog;

const CHILD: &str = "LENIO_DUMP_SIGNAL_CHILD";

/// What the child process does: it has one task, and sends itself the signal.
fn child() {
    let runtime = Runtime::builder()
        .threads(1)
        .dump_on_signal(true)
        .build()
        .unwrap();
    let task = runtime
        .handle()
        .task()
        .name("waiting")
        .spawn(pending::<()>());
    assert_eq!(
        runtime.metrics().living_tasks,
        1,
        "the one that listens is not counted"
    );
    // SAFETY: `raise` has no requirements.
    let raised = unsafe { libc::raise(libc::SIGUSR1) };
    assert_eq!(raised, 0);
    // The parent ends it, by closing the pipe that it reads from.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    task.cancel();
    let report = runtime.shutdown(Duration::from_secs(60));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_signal_makes_the_process_say_what_its_tasks_do() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    watchdog::within_patience("a dump on a signal", talk_to_a_child);
}

fn talk_to_a_child() {
    let mut process = Command::new(env::current_exe().unwrap())
        .args([
            "--nocapture",
            "a_signal_makes_the_process_say_what_its_tasks_do",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("`waiting`") && line.contains("dump_signal.rs")));
    drop(process.stdin.take());
    let rest: Vec<String> = lines.collect();
    assert!(process.wait().unwrap().success(), "{rest:#?}");
}
