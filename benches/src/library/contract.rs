//! What the workloads need of a library, one narrow trait per primitive.
//!
//! The values are `u64` throughout. An implementation calls the one method that the library's documentation shows for
//! the purpose, and adds nothing but the unwrapping of what cannot fail in these workloads.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use super::Library;

/// A library with the four things that tasks contend for.
pub(crate) trait Locks: 'static {
    /// Whose they are.
    const LIBRARY: Library;
    /// Exclusive access.
    type Mutex: Mutex;
    /// Shared or exclusive access.
    type RwLock: RwLock;
    /// A number of permits.
    type Semaphore: Semaphore;
    /// A meeting point of a number of tasks.
    type Barrier: Barrier;
}

/// Exclusive access to a number.
pub(crate) trait Mutex: Send + Sync + 'static {
    fn new(value: u64) -> Self;
    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send;
}

/// Shared or exclusive access to a number.
pub(crate) trait RwLock: Send + Sync + 'static {
    fn new(value: u64) -> Self;
    fn read(&self) -> impl Future<Output = impl Deref<Target = u64> + Send> + Send;
    fn write(&self) -> impl Future<Output = impl DerefMut<Target = u64> + Send> + Send;
}

/// A number of permits.
pub(crate) trait Semaphore: Send + Sync + 'static {
    fn new(permits: usize) -> Self;
    /// Takes one permit, which its drop gives back.
    fn acquire(&self) -> impl Future<Output = impl Send> + Send;
}

/// A meeting point.
pub(crate) trait Barrier: Send + Sync + 'static {
    fn new(tasks: usize) -> Self;
    /// Waits until all have come; true for exactly one of them.
    fn wait(&self) -> impl Future<Output = bool> + Send;
}

/// A library with the four ways of telling other tasks something.
pub(crate) trait Signals: 'static {
    /// Whose they are.
    const LIBRARY: Library;
    /// Wakes a waiting task, or the next one that waits.
    type Notify: Notify;
    /// One value, once.
    type Oneshot: Oneshot;
    /// The latest value for everybody.
    type Watch: Watch;
    /// Every value for everybody.
    type Broadcast: Broadcast;
}

/// Wakes a waiting task, or the next one that waits.
pub(crate) trait Notify: Send + Sync + 'static {
    fn new() -> Self;
    fn notify_one(&self);
    fn notified(&self) -> impl Future<Output = ()> + Send;
}

/// A channel for one value.
pub(crate) trait Oneshot: 'static {
    type Sender: Send + 'static;
    type Receiver: Send + 'static;
    fn open() -> (Self::Sender, Self::Receiver);
    fn send(sender: Self::Sender, value: u64);
    fn receive(receiver: Self::Receiver) -> impl Future<Output = u64> + Send;
}

/// A value that many watch.
pub(crate) trait Watch: 'static {
    type Sender: Send + 'static;
    type Receiver: Clone + Send + 'static;
    fn open(value: u64) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64);
    /// Waits for a value that this receiver has not seen, and copies it out; `None` when the sender is gone.
    fn changed(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// A channel whose receivers all get every value, as long as none of them is more than its capacity behind.
pub(crate) trait Broadcast: 'static {
    type Sender: Send + 'static;
    type Receiver: Send + 'static;
    fn open(capacity: usize) -> Self::Sender;
    fn subscribe(sender: &Self::Sender) -> Self::Receiver;
    fn send(sender: &Self::Sender, value: u64);
    /// `None` when the sender is gone. Panics if a value was missed.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// A channel of many values, each for one receiver.
pub(crate) trait Channel: 'static {
    /// Whose it is.
    const LIBRARY: Library;
    /// Whether it holds [`CAPACITY`](super::CAPACITY) values at most, or any number.
    const IS_BOUNDED: bool;
    type Sender: Clone + Send + 'static;
    type Receiver: Send + 'static;
    fn open() -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64) -> impl Future<Output = ()> + Send;
    /// `None` when all senders are gone and nothing is left.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// A channel whose receivers can be several.
pub(crate) trait Shared: Channel<Receiver: Clone> {}

/// Tasks that belong together, end together, and can be asked to stop.
pub(crate) trait Groups: 'static {
    /// Whose they are.
    const LIBRARY: Library;
    /// What a task looks at to see whether it is to stop; nothing, where the runtime knows which task it is.
    type Token: Clone + Send + Sync + 'static;
    /// A group that takes new tasks.
    type Group: Send;
    /// Stops a group from anywhere.
    type Stopper: Send + 'static;
    /// What a wait comes to that a stop can end.
    type Waited<T>;
    /// Opens a group, calls `fill`, and waits until all tasks of the group have ended.
    fn run(fill: impl FnOnce(&mut Self::Group) + Send) -> impl Future<Output = ()> + Send;
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        group: &mut Self::Group,
        task: impl FnOnce(Self::Token) -> F,
    );
    fn stopper(group: &Self::Group) -> Self::Stopper;
    fn stop(stopper: &Self::Stopper);
    fn is_stopped(token: &Self::Token) -> bool;
    /// Waits for the future, or for the stop.
    fn or_stop<F: Future<Output: Send> + Send>(
        token: &Self::Token,
        future: F,
    ) -> impl Future<Output = Self::Waited<F::Output>> + Send;
    /// The output, or `None` for a stop.
    fn output<T>(waited: Self::Waited<T>) -> Option<T>;
    /// Starts a task below the current one: a stop reaches it through that one. What is returned waits for its end;
    /// nothing, where a task waits for those below it by itself.
    fn spawn_below<F: Future<Output = ()> + Send + 'static>(
        token: &Self::Token,
        task: impl FnOnce(Self::Token) -> F,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// What a task knows of those on whose behalf it runs.
pub(crate) trait Lines: 'static {
    /// Whose it is.
    const LIBRARY: Library;
    /// Runs the future with so many frames in force.
    fn within<F: Future + Send>(depth: u64, future: F) -> impl Future<Output = F::Output> + Send;
    /// Starts a task for which the same frames are in force.
    fn spawn(
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static;
    /// How many frames are in force.
    fn depth() -> u64;
}
