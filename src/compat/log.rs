//! The throughline in the records of the crate `log`.
//!
//! [`ThroughlineLog`] goes around whatever logger a program uses.

use lenio_executor::throughline::{self, Chain};
use log::kv::{Error, Source, Value, VisitSource};
use log::{Log, Metadata, Record};
use std::fmt;

/// The key of the chain, in a message and among the key-values of a record.
const KEY: &str = "throughline";

/// A logger that adds the throughline to each record and passes it on to another logger.
///
/// `starting up` becomes `starting up throughline=server > request{id=7}`. With [`as_key_value`](Self::as_key_value) the message
/// stays as it is, and the chain is a key-value of the record, for loggers that write those.
///
/// A record stays as it is where no frame is in force, and where it has a key-value `throughline` already: one that comes from elsewhere,
/// say from another process, has its own. The chain is looked up when a record is logged, on the thread that logs it, and costs nothing
/// at any other time.
///
/// # Examples
///
/// ```
/// use lenio::compat::log::ThroughlineLog;
/// use lenio::throughline::{self, Frame};
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Clone, Default)]
/// # struct MyLogger(Arc<Mutex<Vec<String>>>);
/// # impl log::Log for MyLogger {
/// #     fn enabled(&self, _: &log::Metadata<'_>) -> bool { true }
/// #     fn log(&self, record: &log::Record<'_>) {
/// #         if let Ok(mut lines) = self.0.lock() { lines.push(record.args().to_string()); }
/// #     }
/// #     fn flush(&self) {}
/// # }
///
/// # fn main() -> Result<(), log::SetLoggerError> {
/// let logger = MyLogger::default();
/// log::set_boxed_logger(Box::new(ThroughlineLog::new(logger.clone())))?;
/// log::set_max_level(log::LevelFilter::Info);
///
/// throughline::enter(Frame::new("request").with("id", 7), || log::info!("not found"));
/// # let lines = logger.0.lock().map(|lines| lines.clone()).unwrap_or_default();
/// assert_eq!(lines, ["not found throughline=request{id=7}"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ThroughlineLog<L> {
    logger: L,
    place: Place,
}

/// Where in a record the chain goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    Message,
    KeyValue,
}

impl<L: Log> ThroughlineLog<L> {
    /// Makes a logger that appends the chain to the message and passes the record on to `logger`.
    pub fn new(logger: L) -> Self {
        Self {
            logger,
            place: Place::Message,
        }
    }

    /// Makes the chain a key-value of the record, with the key `throughline`, and leaves the message as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::compat::log::ThroughlineLog;
    ///
    /// // `log::logger` is a logger that drops everything, as long as no other is set.
    /// let logger = ThroughlineLog::new(log::logger()).as_key_value();
    /// # log::Log::flush(&logger);
    /// ```
    pub fn as_key_value(self) -> Self {
        Self {
            place: Place::KeyValue,
            ..self
        }
    }
}

impl<L: Log> Log for ThroughlineLog<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let chain = throughline::current();
        if chain.is_empty() || record.key_values().get(KEY.into()).is_some() {
            return self.logger.log(record);
        }
        let mut builder = record.to_builder();
        match self.place {
            Place::Message => self.logger.log(
                &builder
                    .args(format_args!("{} {KEY}={chain:#}", record.args()))
                    .build(),
            ),
            Place::KeyValue => self.logger.log(
                &builder
                    .key_values(&WithChain {
                        others: record.key_values(),
                        chain: WithValues(&chain),
                    })
                    .build(),
            ),
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

/// The key-values of a record, and then the chain.
struct WithChain<'a> {
    others: &'a dyn Source,
    chain: WithValues<'a>,
}

impl Source for WithChain<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.others.visit(visitor)?;
        visitor.visit_pair(KEY.into(), Value::from_display(&self.chain))
    }
}

/// Shows the values of the frames whichever way it is asked to be shown.
struct WithValues<'a>(&'a Chain);

impl fmt::Display for WithValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
