//! One value of a frame.

use std::borrow::Cow;
use std::fmt;

/// A value of a frame: plain data, which keeps nothing alive and runs nothing when it is dropped.
///
/// Integers are equal when they are the same number, whatever their type. Floating-point numbers are equal when their bits are, so
/// that a value always equals itself.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline::Value;
///
/// assert_eq!(Value::from(7_i32), Value::from(7_u64));
/// assert_eq!(Value::from(7).as_u64(), Some(7));
/// assert_eq!(Value::from("ann").as_str(), Some("ann"));
/// assert_eq!(Value::from("ann").as_bool(), None);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A number that may be negative.
    I64(i64),
    /// A number that is not negative.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A text.
    Text(Cow<'static, str>),
}

impl Value {
    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_integer()?.try_into().ok()
    }

    /// The integer, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer()?.try_into().ok()
    }

    /// The floating-point number, if it is one. Integers are not converted.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    fn as_integer(&self) -> Option<i128> {
        match self {
            Self::I64(value) => Some((*value).into()),
            Self::U64(value) => Some((*value).into()),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::F64(a), Self::F64(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => match (self.as_integer(), other.as_integer()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}

impl Eq for Value {}

/// Texts are quoted and escaped, so that none can end a line or pass for another value.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::I64(value) => write!(f, "{value}"),
            Self::U64(value) => write!(f, "{value}"),
            Self::F64(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

macro_rules! from {
    ($($variant:ident: $($from:ty),+;)+) => {
        $($(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })+)+
    };
}

from! {
    Bool: bool;
    I64: i8, i16, i32, i64;
    U64: u8, u16, u32, u64;
    F64: f32, f64;
    Text: &'static str, String, Cow<'static, str>;
}

// The standard library has no lossless conversion of these, since they might be wider one day. Then the largest numbers would be
// cut off here: a log with a capped number beats none.
impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::U64(value.try_into().unwrap_or(u64::MAX))
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        let limit = if value < 0 { i64::MIN } else { i64::MAX };
        Self::I64(value.try_into().unwrap_or(limit))
    }
}
