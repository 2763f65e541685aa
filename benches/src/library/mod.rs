//! Which libraries are compared, and how is their contest judged?
//!
//! A mutex, a notifier or a channel depends on no executor, so "lenio against tokio" says two things at once here:
//! whose primitive, on whose workers. The table keeps them apart:
//!
//! - A *contest* is one body (`mutex8`, `ch_1p1c_1024`). It has one line per library, `mutex8@lenio`, `mutex8@tokio`,
//!   `mutex8@async-lock`; the columns stay the runtimes. Every library runs on every runtime: its own, lenio's and
//!   those of strangers. All cells of a contest are sampled interleaved, round by round, so that all of them may be
//!   compared with each other and not only along a line.
//! - Down a column the executor is the same and only the primitive differs; along a line it is the other way round.
//! - The verdict stands at lenio's line: lenio's primitive on lenio, against the best cell of all other libraries, on
//!   whichever runtime that was. A rival that does better on lenio's workers than at home is a rival all the same.
//!   lenio's primitive on other runtimes is shown and neither counts for lenio nor against it. This is strict: on a busy
//!   machine the best of two dozen medians is also the luckiest of them, so claims need an idle one and more rounds.
//! - Ratios to one runtime, and the means, take what a program on that runtime would use: tokio's primitive on tokio,
//!   async-lock's and async-channel's on smol. Where a runtime has none, there is no ratio.
//! - Groups of tasks and throughlines are the executor's business: each library runs on its home alone.
//!
//! A regression here would be a library that is called in another way than its documentation shows.

#[cfg(feature = "rivals")]
mod async_channel;
#[cfg(feature = "rivals")]
mod async_lock;
mod contract;
#[cfg(feature = "rivals")]
mod flume;
#[cfg(feature = "rivals")]
mod kanal;
mod lenio;
#[cfg(feature = "rivals")]
mod tachyonix;
#[cfg(feature = "rivals")]
mod tokio;

pub(crate) use contract::{
    Barrier, Broadcast, Channel, Groups, Lines, Locks, Mutex, Notify, Oneshot, RwLock, Semaphore,
    Shared, Signals, Watch,
};

/// A library that takes part in contests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    /// What stands behind the `@`.
    pub(crate) name: &'static str,
    /// The runtimes whose programs would use it.
    pub(crate) homes: &'static [&'static str],
}

impl Library {
    /// Whether programs on that runtime would use it.
    pub(crate) fn is_at_home_on(&self, rt: &str) -> bool {
        self.homes.contains(&rt)
    }
}

/// How many messages wait in a bounded channel.
pub(crate) const CAPACITY: usize = 1024;

/// Something that is to be done with every library of locks.
pub(crate) trait VisitLocks {
    /// Does it.
    fn visit<L: Locks>(&mut self);
}

/// Something that is to be done with every library of notifications.
pub(crate) trait VisitSignals {
    /// Does it.
    fn visit<S: Signals>(&mut self);
}

/// Something that is to be done with every channel.
pub(crate) trait VisitChannels {
    /// A channel with one receiver.
    fn one_receiver<C: Channel>(&mut self);
    /// A channel whose receivers can be several.
    fn many_receivers<C: Shared>(&mut self);
}

/// Something that is to be done with every library of task groups.
pub(crate) trait VisitGroups {
    /// Does it.
    fn visit<G: Groups>(&mut self);
}

/// Something that is to be done with every library of throughlines.
pub(crate) trait VisitLines {
    /// Does it.
    fn visit<L: Lines>(&mut self);
}

// The five lists of what was compiled, lenio first; besides `mod` lines the only places where features show.

/// Visits the libraries that have locks.
pub(crate) fn locks(visitor: &mut impl VisitLocks) {
    visitor.visit::<lenio::Locks>();
    #[cfg(feature = "rivals")]
    {
        visitor.visit::<tokio::Locks>();
        visitor.visit::<async_lock::Locks>();
    }
}

/// Visits the libraries that have notifications.
pub(crate) fn signals(visitor: &mut impl VisitSignals) {
    visitor.visit::<lenio::Signals>();
    #[cfg(feature = "rivals")]
    visitor.visit::<tokio::Signals>();
}

/// Visits the libraries that have groups of tasks. They run at home only: who owns a task is the executor's business.
pub(crate) fn groups(visitor: &mut impl VisitGroups) {
    visitor.visit::<lenio::Groups>();
    #[cfg(feature = "rivals")]
    {
        visitor.visit::<tokio::JoinSets>();
        visitor.visit::<tokio::TaskTrackers>();
    }
}

/// Visits the libraries with which a task knows on whose behalf it runs. They run at home only.
pub(crate) fn lines(visitor: &mut impl VisitLines) {
    visitor.visit::<lenio::Lines>();
    #[cfg(feature = "rivals")]
    visitor.visit::<tokio::Lines>();
}

/// Visits the channels, bounded and unbounded.
pub(crate) fn channels(visitor: &mut impl VisitChannels) {
    visitor.many_receivers::<lenio::Bounded>();
    visitor.many_receivers::<lenio::Unbounded>();
    #[cfg(feature = "rivals")]
    {
        visitor.one_receiver::<tokio::Bounded>();
        visitor.one_receiver::<tokio::Unbounded>();
        visitor.many_receivers::<async_channel::Bounded>();
        visitor.many_receivers::<async_channel::Unbounded>();
        visitor.many_receivers::<flume::Bounded>();
        visitor.many_receivers::<flume::Unbounded>();
        visitor.many_receivers::<kanal::Bounded>();
        visitor.many_receivers::<kanal::Unbounded>();
        visitor.one_receiver::<tachyonix::Bounded>();
    }
}
