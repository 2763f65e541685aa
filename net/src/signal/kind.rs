//! Which signals there are.

use std::fmt;

/// A signal that can be [received](super::receiver).
///
/// # Examples
///
/// ```
/// use lenio_net::signal::Signal;
///
/// assert_eq!(Signal::Terminate.to_string(), "SIGTERM");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGINT`: somebody pressed Ctrl-C.
    Interrupt,
    /// `SIGTERM`: somebody, most likely a service manager, wants the process to end.
    Terminate,
    /// `SIGUSR1`: whatever the program says; a dump of its tasks, often.
    User1,
}

impl Signal {
    pub(super) const ALL: [Self; 3] = [Self::Interrupt, Self::Terminate, Self::User1];

    pub(super) const fn number(self) -> libc::c_int {
        match self {
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
            Self::User1 => libc::SIGUSR1,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::User1 => "SIGUSR1",
        })
    }
}
