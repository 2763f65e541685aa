//! One frame of the throughline.

use super::value::Value;
use std::borrow::Cow;
use std::fmt;

/// How many values a frame holds without an allocation for them.
const INLINE: usize = 2;

type Entry = (Cow<'static, str>, Value);

/// One step of a throughline: what is being done, and a few values that say for whom or with what.
///
/// A frame is plain data. It is not yet in force anywhere: see [`enter`](crate::throughline::enter) and
/// [`in_frame`](crate::throughline::in_frame). Where a frame is asked for, its name alone will do.
///
/// Making one allocates only for more than two values, and for texts that are made at run time.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline::Frame;
///
/// let frame = Frame::new("request").with("id", 7).with("user", "ann");
/// assert_eq!(frame.name(), "request");
/// assert_eq!(frame.value("user").and_then(|user| user.as_str()), Some("ann"));
/// assert!(frame.values().map(|(key, _)| key).eq(["id", "user"]));
/// assert_eq!(frame.to_string(), "request");
/// assert_eq!(format!("{frame:#}"), r#"request{id=7, user="ann"}"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    name: Cow<'static, str>,
    /// The first values; filled from the front.
    first: [Option<Entry>; INLINE],
    /// Those that come after.
    rest: Vec<Entry>,
}

impl Frame {
    /// Makes a frame without values.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            first: [const { None }; INLINE],
            rest: Vec::new(),
        }
    }

    /// Adds a value, or replaces the one that has this key already.
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        let (key, value) = (key.into(), value.into());
        let same = self.entries_mut().find(|(other, _)| *other == key);
        if let Some((_, old)) = same {
            *old = value;
            return self;
        }
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((key, value)),
            None => self.rest.push((key, value)),
        }
        self
    }

    /// What is being done.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values()
            .find_map(|(other, value)| (other == key).then_some(value))
    }

    /// All values with their keys, in the order in which they were added.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        let first = self.first.iter().flatten();
        let entries = first.chain(&self.rest);
        entries.map(|(key, value)| (&**key, value))
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.first.iter_mut().flatten().chain(&mut self.rest)
    }
}

impl From<&'static str> for Frame {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Frame {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<Cow<'static, str>> for Frame {
    fn from(name: Cow<'static, str>) -> Self {
        Self::new(name)
    }
}

/// The name, and with `{:#}` the values too. Control characters are escaped, so that no frame can end a line.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plainly(f, &self.name)?;
        if !f.alternate() || self.values().next().is_none() {
            return Ok(());
        }
        let mut separator = "{";
        for (key, value) in self.values() {
            f.write_str(separator)?;
            write_plainly(f, key)?;
            write!(f, "={value}")?;
            separator = ", ";
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(&self.name);
        for (key, value) in self.values() {
            debug.field(key, value);
        }
        debug.finish()
    }
}

fn write_plainly(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    for c in text.chars() {
        match c.is_control() {
            true => write!(f, "{}", c.escape_default())?,
            false => f.write_char(c)?,
        }
    }
    Ok(())
}
