//! The throughline in the records of the crate `log`.

use lenio::compat::log::ThroughlineLog;
use lenio::throughline::{self, Chain, Frame};
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Log, Metadata, Record};
use std::sync::Mutex;

/// Keeps what it is given, as text.
#[derive(Default)]
struct Kept {
    lines: Mutex<Vec<String>>,
    flushes: Mutex<usize>,
}

struct Pairs(String);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0 += &format!(" {key}:{value}");
        Ok(())
    }
}

impl Log for &Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let mut pairs = Pairs(String::new());
        record.key_values().visit(&mut pairs).unwrap();
        let (level, target) = (record.level(), record.target());
        let (file, line) = (record.file(), record.line());
        let place = format!("{file:?}:{line:?}");
        assert_eq!(place, r#"Some("f.rs"):Some(3)"#, "all else is passed on");
        let line = format!("{level} {target} {}{}", record.args(), pairs.0);
        self.lines.lock().unwrap().push(line);
    }

    fn flush(&self) {
        *self.flushes.lock().unwrap() += 1;
    }
}

/// Logs `hello` in the chain, with these key-values, and returns what comes out.
fn logged(
    wrap: impl for<'a> Fn(&'a Kept) -> Box<dyn Log + 'a>,
    chain: Chain,
    pairs: &[(&str, i32)],
) -> Vec<String> {
    let kept = Kept::default();
    let logger = wrap(&kept);
    throughline::restore(chain, || {
        let mut builder = Record::builder();
        builder.level(Level::Warn).target("app").key_values(&pairs);
        builder.file(Some("f.rs")).line(Some(3));
        logger.log(&builder.args(format_args!("hello {}", 7)).build());
    });
    drop(logger);
    kept.lines.into_inner().unwrap()
}

fn in_message<'a>(kept: &'a Kept) -> Box<dyn Log + 'a> {
    Box::new(ThroughlineLog::new(kept))
}

fn as_key_value<'a>(kept: &'a Kept) -> Box<dyn Log + 'a> {
    Box::new(ThroughlineLog::new(kept).as_key_value())
}

fn chain() -> Chain {
    [
        Frame::from("server"),
        Frame::new("request").with("user", "a\nb"),
    ]
    .into_iter()
    .collect()
}

#[test]
fn the_chain_is_at_the_end_of_the_message() {
    assert_eq!(
        logged(in_message, chain(), &[("k", 1)]),
        [r#"WARN app hello 7 throughline=server > request{user="a\nb"} k:1"#]
    );
}

#[test]
fn the_chain_is_the_last_key_value() {
    assert_eq!(
        logged(as_key_value, chain(), &[("k", 1)]),
        [r#"WARN app hello 7 k:1 throughline:server > request{user="a\nb"}"#]
    );
}

#[test]
fn a_record_without_frames_in_force_stays_as_it_is() {
    for wrap in [in_message, as_key_value] {
        assert_eq!(logged(wrap, Chain::empty(), &[]), ["WARN app hello 7"]);
    }
}

#[test]
fn a_record_that_has_a_chain_keeps_it() {
    for wrap in [in_message, as_key_value] {
        let lines = logged(wrap, chain(), &[("throughline", 9)]);
        assert_eq!(lines, ["WARN app hello 7 throughline:9"]);
    }
    fn twice<'a>(kept: &'a Kept) -> Box<dyn Log + 'a> {
        Box::new(ThroughlineLog::new(ThroughlineLog::new(kept).as_key_value()).as_key_value())
    }
    let line = logged(twice, chain(), &[]).remove(0);
    assert_eq!(line.matches("throughline").count(), 1, "{line}");
}

#[test]
fn questions_and_flushes_are_passed_on() {
    let kept = Kept::default();
    let logger = ThroughlineLog::new(&kept);
    let asks = |level| logger.enabled(&Metadata::builder().level(level).build());
    assert!(asks(Level::Info));
    assert!(!asks(Level::Debug));
    logger.flush();
    assert_eq!(*kept.flushes.lock().unwrap(), 1);
}
