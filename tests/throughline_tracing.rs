//! The throughline in the lines of `tracing-subscriber`.

use lenio::compat::tracing::ThroughlineFormat;
use lenio::throughline::{self, Frame};
use std::io;
use std::sync::{Arc, Mutex};
use tracing::{Subscriber, info, info_span, warn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{Format, format};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `emit` runs under the subscriber.
fn written<S>(subscriber: impl FnOnce(Lines) -> S, emit: impl FnOnce()) -> String
where
    S: Subscriber + Send + Sync + 'static,
{
    let lines = Lines::default();
    tracing::subscriber::with_default(subscriber(lines.clone()), emit);
    let bytes = std::mem::take(&mut *lines.0.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

fn bare() -> Format<fmt::format::Full, ()> {
    format().without_time().with_target(false)
}

fn text(lines: Lines) -> impl Subscriber + Send + Sync {
    fmt()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .event_format(ThroughlineFormat::new(bare()))
        .finish()
}

fn coloured(lines: Lines) -> impl Subscriber + Send + Sync {
    fmt()
        .with_ansi(true)
        .with_writer(move || lines.clone())
        .event_format(ThroughlineFormat::new(bare()))
        .finish()
}

fn json(lines: Lines) -> impl Subscriber + Send + Sync {
    fmt()
        .json()
        .with_writer(move || lines.clone())
        .event_format(ThroughlineFormat::json(bare().json()))
        .finish()
}

fn request() -> Frame {
    Frame::new("request").with("id", 7).with("user", "a\nb")
}

#[test]
fn the_chain_of_the_moment_is_at_the_end_of_each_line() {
    let lines = written(text, || {
        info!("outside");
        throughline::enter("server", || {
            info!(k = 1, "between");
            throughline::enter(request(), || warn!("inside"));
        });
    });
    let expected = [
        " INFO outside",
        " INFO between k=1 throughline=server",
        r#" WARN inside throughline=server > request{id=7, user="a\nb"}"#,
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn a_task_logs_its_chain_and_beside_it_its_spans() {
    let lines = written(text, || {
        let span = info_span!("span", n = 1).entered();
        let task = throughline::in_frame(request(), async {
            lenio::yield_now().await;
            info!("from a future");
        });
        lenio::block_on(task);
        drop(span);
    });
    assert_eq!(
        lines,
        " INFO span{n=1}: from a future throughline=request{id=7, user=\"a\\nb\"}\n"
    );
}

#[test]
fn an_event_that_has_a_chain_keeps_it() {
    let emit = || throughline::enter("here", || info!(throughline = "there", "again"));
    for lines in [written(text, emit), written(json, emit)] {
        assert!(lines.contains("there"), "{lines}");
        assert_eq!(lines.matches("throughline").count(), 1, "{lines}");
    }
}

#[test]
fn colours_are_those_of_the_subscriber_with_and_without_a_chain() {
    let emit = || info!(k = 1, "x");
    let without = written(coloured, emit);
    assert!(without.contains('\u{1b}'), "{without:?}");
    let with = written(coloured, || throughline::enter("f", emit));
    assert_eq!(with, without.replace('\n', " throughline=f\n"));
    let plain = written(text, || throughline::enter("f", emit));
    assert_eq!(plain, " INFO x k=1 throughline=f\n");
}

#[test]
fn json_stays_json_and_has_the_chain_as_its_last_key() {
    let lines = written(json, || {
        info!("outside");
        throughline::enter(request(), || info!(brace = "}\n", "inside"));
    });
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    assert_eq!(parse(lines[0]).get("throughline"), None);
    let inside = parse(lines[1]);
    assert_eq!(inside["throughline"], r#"request{id=7, user="a\nb"}"#);
    assert_eq!(inside["fields"]["message"], "inside");
}

#[test]
fn the_pretty_format_has_the_chain_too() {
    let subscriber = |lines: Lines| {
        fmt()
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .event_format(ThroughlineFormat::new(format().pretty().without_time()))
            .finish()
    };
    let lines = written(subscriber, || throughline::enter("f", || info!("x")));
    assert_eq!(lines.matches("throughline=f\n").count(), 1, "{lines}");
}

#[test]
fn the_usual_format_needs_no_arguments() {
    let subscriber = |lines: Lines| {
        fmt()
            .with_writer(move || lines.clone())
            .event_format(ThroughlineFormat::default())
            .finish()
    };
    let lines = written(subscriber, || throughline::enter("f", || info!("x")));
    assert!(lines.ends_with(" throughline=f\n"), "{lines:?}");
}
