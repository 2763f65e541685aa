//! The throughline in the lines that `tracing-subscriber` writes.
//!
//! [`ThroughlineFormat`] goes around the event format of its `fmt` subscriber or layer.
//!
//! A layer could not do this: it sees an event, but cannot add to what other layers make of it. What does its own writing needs no
//! adapter. Events reach their layers on the thread and within the call that emits them, so that
//! [`throughline::current`] is the event's chain there.

use lenio_executor::throughline::{self, Chain};
use std::fmt::{self, Write};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The key of the chain in a line, and the field of an event that has its own.
const KEY: &str = "throughline";

/// An event format that adds the throughline at the end of each line.
///
/// `INFO app: not found` becomes `INFO app: not found throughline=request{id=7} > query`. In [`json`](Self::json) it is the last key of the
/// object.
///
/// A line stays as it is where no frame is in force, and where the event has a field `throughline` already: one that comes from elsewhere,
/// say from another process, has its own. The chain is looked up when an event is written, and costs nothing at any other time. Lines
/// pass through without being kept in a buffer. They have colours where the subscriber's `with_ansi` says so.
///
/// # Examples
///
/// ```
/// use lenio::compat::tracing::ThroughlineFormat;
/// use lenio::throughline::{self, Frame};
/// use tracing_subscriber::fmt::format;
/// # use std::io;
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Clone, Default)]
/// # struct Lines(Arc<Mutex<Vec<u8>>>);
/// # impl io::Write for Lines {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
/// #         if let Ok(mut lines) = self.0.lock() { lines.extend_from_slice(bytes); }
/// #         Ok(bytes.len())
/// #     }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let written = Lines::default();
/// # let writer = written.clone();
///
/// let format = format().without_time().with_target(false);
/// let subscriber = tracing_subscriber::fmt()
///     .with_ansi(false)
/// #   .with_writer(move || writer.clone())
///     .event_format(ThroughlineFormat::new(format))
///     .finish();
///
/// tracing::subscriber::with_default(subscriber, || {
///     throughline::enter(Frame::new("request").with("id", 7), || tracing::info!("not found"));
/// });
/// # let written = written.0.lock().map(|bytes| bytes.clone()).unwrap_or_default();
/// assert_eq!(written, b" INFO not found throughline=request{id=7}\n");
/// ```
#[derive(Clone, Debug)]
pub struct ThroughlineFormat<F = Full, T = SystemTime> {
    format: Format<F, T>,
    /// The same with colours. What a format is asked to write to does not say any more whether it takes them.
    coloured: Format<F, T>,
    style: Style,
}

/// How the chain is written.
#[derive(Clone, Copy, Debug)]
enum Style {
    Text,
    Json,
}

impl<F: Clone, T: Clone> ThroughlineFormat<F, T> {
    /// Adds the chain to the lines of `format`, as text.
    pub fn new(format: Format<F, T>) -> Self {
        Self {
            coloured: format.clone().with_ansi(true),
            format,
            style: Style::Text,
        }
    }

    /// Adds the chain to the objects of `format`, which must be one that writes JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::compat::tracing::ThroughlineFormat;
    /// use tracing_subscriber::fmt::format;
    ///
    /// let subscriber = tracing_subscriber::fmt()
    ///     .json()
    ///     .event_format(ThroughlineFormat::json(format().json()))
    ///     .finish();
    /// # drop(subscriber);
    /// ```
    pub fn json(format: Format<F, T>) -> Self {
        Self {
            style: Style::Json,
            ..Self::new(format)
        }
    }
}

impl Default for ThroughlineFormat {
    /// Adds the chain to the lines of the usual format.
    fn default() -> Self {
        Self::new(Format::default())
    }
}

impl<F, T, S, N> FormatEvent<S, N> for ThroughlineFormat<F, T>
where
    Format<F, T>: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let chain = throughline::current();
        let has_its_own = event.metadata().fields().field(KEY).is_some();
        if chain.is_empty() || has_its_own {
            return self.format.format_event(context, writer, event);
        }
        let format = match writer.has_ansi_escapes() {
            true => &self.coloured,
            false => &self.format,
        };
        let mut body = AllButTail::new(&mut writer, self.style.tail());
        format.format_event(context, Writer::new(&mut body), event)?;
        let tail = body.held();
        self.style.write(&chain, tail, &mut writer)
    }
}

impl Style {
    /// What a line ends with, after the place of the chain.
    fn tail(self) -> &'static str {
        match self {
            Self::Text => "\n",
            Self::Json => "}\n",
        }
    }

    /// Ends a line of which all was written but `tail`.
    fn write(self, chain: &Chain, tail: &str, writer: &mut Writer<'_>) -> fmt::Result {
        match self {
            Self::Text => write!(writer, " {KEY}={chain:#}")?,
            // Something that does not end as an object does is none.
            Self::Json if tail != self.tail() => {}
            Self::Json => {
                write!(writer, ",\"{KEY}\":\"")?;
                write!(JsonText(writer), "{chain:#}")?;
                writer.write_char('"')?;
            }
        }
        writer.write_str(tail)
    }
}

/// Passes on what it is given, except for what may be the line's tail.
struct AllButTail<'a> {
    writer: &'a mut dyn Write,
    /// No character comes twice in it.
    tail: &'static str,
    /// How many bytes of the tail were written and have not been passed on.
    held: usize,
}

impl<'a> AllButTail<'a> {
    fn new(writer: &'a mut dyn Write, tail: &'static str) -> Self {
        Self {
            writer,
            tail,
            held: 0,
        }
    }

    /// What was not passed on.
    fn held(&self) -> &'static str {
        &self.tail[..self.held]
    }
}

impl Write for AllButTail<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.tail[self.held..].starts_with(text) {
            self.held += text.len();
            return Ok(());
        }
        let not_the_tail = self.held();
        self.writer.write_str(not_the_tail)?;
        let beginnings = 0..=self.tail.len();
        self.held = beginnings
            .rev()
            .find(|end| text.ends_with(&self.tail[..*end]))
            .unwrap_or(0);
        self.writer.write_str(&text[..text.len() - self.held])
    }
}

/// Writes what stands between the quotes of a JSON text.
struct JsonText<'a, 'w>(&'a mut Writer<'w>);

impl Write for JsonText<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '"' | '\\' => write!(self.0, "\\{c}"),
            c if c.is_control() => write!(self.0, "\\u{:04x}", u32::from(c)),
            c => self.0.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_the_tail_is_held_back() {
        for (pieces, passed_on, held) in [
            (&["a", "}", "\n"][..], "a", "}\n"),
            (&["a}\n"], "a", "}\n"),
            (&["a}", "\n"], "a", "}\n"),
            (&["a}", "b"], "a}b", ""),
            (&["}", "}\n"], "}", "}\n"),
            (&["}\n", "}\n"], "}\n", "}\n"),
            (&["}\n", "\n"], "}\n\n", ""),
            (&["\n"], "\n", ""),
            (&["}", "", "\n"], "", "}\n"),
            (&["", "a"], "a", ""),
            (&["}"], "", "}"),
        ] {
            let mut written = String::new();
            let mut body = AllButTail::new(&mut written, "}\n");
            for piece in pieces {
                assert_eq!(body.write_str(piece), Ok(()));
            }
            assert_eq!(body.held(), held, "{pieces:?}");
            assert_eq!(written, passed_on, "{pieces:?}");
        }
    }
}
