//! Children that borrow, polled by the task that waits for them.
//!
//! A nursery's future owns its children; the handle that spawns shares nothing with it but an inbox. So a child that holds the handle
//! holds no other child, a nursery that is forgotten forgets its children with it, and there is nothing that could outlive what it borrows.
//!
//! ```text
//!   handle n ---spawn---> inbox ---next poll---> children <---polls--- the nursery's future ---polls---> body
//!      (cloned, sent, kept: owns the inbox)          each with a number in `Ready`; the body has number 0
//! ```
//!
//! Of a spawn against the end of the nursery one comes first under the lock of the inbox: the end waits for the child, or the child comes
//! late and says so.

use super::child::{Child, ChildHandle, Ended, Payload};
use super::ready::Ready;
use lenio_executor::{Section, StopHandle};
use lenio_sync::contain::{contain, drop_payload};
use lenio_sync::primitive::Mutex;
use lenio_sync::stop::StopKind;
use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How many children one poll serves before it lets other tasks run.
const POLLS_AT_ONCE: usize = 256;

/// The number of the body.
const BODY: usize = 0;

/// Runs `body`, and waits for the children that it has spawned into the nursery. They may borrow whatever outlives the call, `&mut` too.
///
/// The children are no tasks: the task that awaits the nursery polls them, each only when it was woken. So they run concurrently and not
/// in parallel, and none may block or compute for long. For parallel work there is [`scope`](fn@crate::scope), whose children borrow
/// nothing; for children that are not [`Send`] there is [`concurrent_local`].
///
/// The nursery is a place in the task tree, as a scope is: a stop of the task reaches the waits of body and children, and it can be
/// stopped alone. A child that was not polled before the stop never is. When the body has returned the nursery waits for its children,
/// which may go on to spawn into it, and for the tasks that they have spawned as children.
///
/// If a child panics the others and the body are stopped, with the kind [`SiblingFailed`](StopKind::SiblingFailed), and when all have ended
/// the panic is passed on. If the body panics the children are stopped, and likewise.
///
/// Costs a few allocations, and for each child three: its pinned place, its waker, and the place of its output.
///
/// # Panics
///
/// If the body or a child panics.
///
/// # Cancel safety
///
/// Dropping the future drops its children, and then the body, at the suspension points where they stand. Forgetting it forgets them. At the
/// end of the grace, or when the nursery is cancelled alone, the children are dropped, and the body is waited for.
///
/// # Fairness
///
/// Children are polled in the order of their wakes. One poll serves each that was woken at its beginning once, and at most 256; then it lets
/// other tasks run.
///
/// # Examples
///
/// ```
/// use lenio::future::concurrent;
///
/// # lenio::block_on(async {
/// let words = vec!["gentle", "stop"];
/// let mut lengths = [0; 2];
/// concurrent(|n| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         drop(n.spawn(async move { *length = word.len() }));
///     }
///     async {}
/// })
/// .await;
/// assert_eq!(lengths, [6, 4]);
/// # });
/// ```
#[track_caller]
pub fn concurrent<'env, B, F>(body: B) -> impl Future<Output = F::Output>
where
    B: FnOnce(SendNursery<'env>) -> F,
    F: Future,
{
    run(body, Location::caller())
}

/// As [`concurrent`], for children that are not [`Send`]. Neither is the future then.
///
/// # Panics
///
/// If the body or a child panics.
///
/// # Cancel safety
///
/// As [`concurrent`].
///
/// # Fairness
///
/// As [`concurrent`].
///
/// # Examples
///
/// ```
/// use lenio::future::concurrent_local;
/// use std::cell::Cell;
///
/// # lenio::block_on(async {
/// let sum = Cell::new(0);
/// concurrent_local(|n| {
///     for part in [20, 22] {
///         let sum = &sum;
///         drop(n.spawn(async move { sum.set(sum.get() + part) }));
///     }
///     async {}
/// })
/// .await;
/// assert_eq!(sum.get(), 42);
/// # });
/// ```
#[track_caller]
pub fn concurrent_local<'env, B, F>(body: B) -> impl Future<Output = F::Output>
where
    B: FnOnce(LocalNursery<'env>) -> F,
    F: Future,
{
    run(body, Location::caller())
}

/// The children of a nursery, to those who add to them. Cheap to clone; may be kept beyond the end of the nursery: what comes then is
/// dropped, and its handle says why.
///
/// Given to the body as a [`SendNursery`] or a [`LocalNursery`]; `C` is what it keeps of a child.
///
/// # Examples
///
/// ```
/// use lenio::future::{SendNursery, concurrent};
/// use std::sync::Mutex;
///
/// fn fill<'env>(n: &SendNursery<'env>, list: &'env Mutex<Vec<u32>>) {
///     for number in 0..3 {
///         drop(n.spawn(async move { list.lock().unwrap().push(number) }));
///     }
/// }
///
/// # lenio::block_on(async {
/// let list = Mutex::new(vec![]);
/// concurrent(|n| {
///     fill(&n, &list);
///     async {}
/// })
/// .await;
/// assert_eq!(list.into_inner().unwrap(), [0, 1, 2]);
/// # });
/// ```
pub struct Nursery<C> {
    shared: Arc<Shared<C>>,
}

/// The nursery of [`concurrent`], with children that outlive `'env`.
pub type SendNursery<'env> = Nursery<SendChild<'env>>;
/// The nursery of [`concurrent_local`], with children that outlive `'env`.
pub type LocalNursery<'env> = Nursery<LocalChild<'env>>;
/// What a [`SendNursery`] keeps of a child. There is nothing to be done with it.
pub struct SendChild<'env>(Pin<Box<dyn Future<Output = Ended> + Send + 'env>>);
/// What a [`LocalNursery`] keeps of a child. There is nothing to be done with it.
pub struct LocalChild<'env>(Pin<Box<dyn Future<Output = Ended> + 'env>>);

/// A child in its box.
trait Boxed {
    fn as_pin(&mut self) -> Pin<&mut dyn Future<Output = Ended>>;
}

impl Boxed for SendChild<'_> {
    fn as_pin(&mut self) -> Pin<&mut dyn Future<Output = Ended>> {
        self.0.as_mut()
    }
}

impl Boxed for LocalChild<'_> {
    fn as_pin(&mut self) -> Pin<&mut dyn Future<Output = Ended>> {
        self.0.as_mut()
    }
}

/// What the handles and the future of a nursery share.
struct Shared<C> {
    ready: Arc<Ready>,
    stop: StopHandle,
    /// Children that have not been taken in so far, with their numbers. `None`: the nursery has ended.
    inbox: Mutex<Option<Vec<(usize, C)>>>,
}

impl<'env> SendNursery<'env> {
    /// Adds a child. It is polled for the first time in the next poll of the nursery, and its throughline is the one in force here.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::future::concurrent;
    ///
    /// # lenio::block_on(async {
    /// let sum = concurrent(|n| async move {
    ///     let parts = [n.spawn(async { 20 }), n.spawn(async { 22 })];
    ///     let mut sum = 0;
    ///     for part in parts {
    ///         sum += part.await.unwrap_or(0);
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum.await, 42);
    /// # });
    /// ```
    pub fn spawn<F>(&self, future: F) -> ChildHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        self.add(future, |child| SendChild(Box::pin(child)))
    }
}

impl<'env> LocalNursery<'env> {
    /// Adds a child. As [`SendNursery::spawn`](Nursery::spawn), for one that need not be [`Send`].
    pub fn spawn<F>(&self, future: F) -> ChildHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        self.add(future, |child| LocalChild(Box::pin(child)))
    }
}

impl<C> Nursery<C> {
    fn add<F: Future>(
        &self,
        future: F,
        boxed: impl FnOnce(Child<F>) -> C,
    ) -> ChildHandle<F::Output> {
        let Shared { ready, stop, inbox } = &*self.shared;
        let number = ready.add();
        let (child, handle) = Child::new(future, stop.clone(), ready, number);
        let child = boxed(child);
        let mut inbox = inbox.lock();
        match &mut *inbox {
            Some(children) => {
                children.push((number, child));
                drop(inbox);
                ready.note(number);
            }
            None => {
                drop(inbox);
                ready.release(number);
                handle.refuse();
                drop(child);
            }
        }
        handle
    }

    /// Asks the body and all children to stop, and nothing else. See [`StopHandle::stop`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::StopExt;
    /// use lenio::future::concurrent;
    ///
    /// # lenio::block_on(async {
    /// let farewell = concurrent(|n| async move {
    ///     let waiting = n.spawn(std::future::pending::<()>().or_stop());
    ///     lenio::yield_now().await;
    ///     n.stop("that was all");
    ///     waiting.await
    /// });
    /// assert_eq!(farewell.await.unwrap().unwrap_err().to_string(), "that was all");
    /// # });
    /// ```
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.shared.stop.stop(message)
    }

    /// Whether the nursery was asked to stop, alone or with its task.
    pub fn is_stopped(&self) -> bool {
        self.shared.stop.is_stopped()
    }

    /// A handle that can stop the nursery, and nothing else.
    pub fn stop_handle(&self) -> StopHandle {
        self.shared.stop.clone()
    }
}

impl<C> Clone for Nursery<C> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl fmt::Debug for SendChild<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendChild").finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalChild<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalChild").finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Nursery<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nursery")
            .field("stop", &self.shared.stop)
            .finish_non_exhaustive()
    }
}

/// Runs a nursery to its end.
async fn run<C, B, F>(body: B, at: &'static Location<'static>) -> F::Output
where
    C: Boxed,
    B: FnOnce(Nursery<C>) -> F,
    F: Future,
{
    let section = Section::at(at);
    let (result, panic) = run_in(&section, body).await;
    section.end().await;
    match (result, panic) {
        (Err(payload), later) => {
            if let Some(later) = later {
                drop_payload(later);
            }
            resume_unwind(payload)
        }
        (Ok(_), Some(payload)) => resume_unwind(payload),
        (Ok(output), None) => output,
    }
}

/// Polls body and children until all have ended. Returns what the body did, and the first panic of a child.
async fn run_in<C, B, F>(
    section: &Section,
    body: B,
) -> (Result<F::Output, Payload>, Option<Payload>)
where
    C: Boxed,
    B: FnOnce(Nursery<C>) -> F,
    F: Future,
{
    let shared = Arc::new(Shared {
        ready: Ready::with_all(BODY + 1),
        stop: section.stop_handle(),
        inbox: Mutex::new(Some(Vec::new())),
    });
    let mut result = None;
    let nursery = Nursery {
        shared: shared.clone(),
    };
    let mut end_body = |ended: Result<F::Output, Payload>| {
        if ended.is_err() {
            section.stop(StopKind::ParentFailed);
        }
        result = Some(ended);
    };
    let made = catch_unwind(AssertUnwindSafe(|| section.inside(|| body(nursery))));
    // Dropped in the opposite order: the children before the body.
    let mut future = pin!(match made {
        Ok(future) => Some(future),
        Err(payload) => {
            end_body(Err(payload));
            None
        }
    });
    let waker = shared.ready.waker(BODY);
    let mut children = Children::new(shared, section);
    let mut childless = pin!(section.childless());
    poll_fn(|cx| {
        loop {
            let has_ended = children.poll_round(cx, || {
                if let Some(ended) = poll_body(future.as_mut(), section, &waker) {
                    end_body(ended);
                }
                future.is_none()
            });
            ready!(has_ended);
            ready!(childless.as_mut().poll(cx));
            if children.try_close() {
                return Poll::Ready(());
            }
            // Somebody has spawned in between.
            childless.set(section.childless());
        }
    })
    .await;
    let panic = children.panic.take();
    match result {
        Some(result) => (result, panic),
        None => unreachable!("a nursery ends after its body"),
    }
}

/// Polls the body, and drops it when it has ended. A panic is an error here, so that the children can be waited for.
fn poll_body<F: Future>(
    mut body: Pin<&mut Option<F>>,
    section: &Section,
    waker: &Waker,
) -> Option<Result<F::Output, Payload>> {
    let future = body.as_mut().as_pin_mut()?;
    let poll = || section.inside(|| future.poll(&mut Context::from_waker(waker)));
    let ended = match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(Poll::Pending) => return None,
        Ok(Poll::Ready(output)) => Ok(output),
        Err(payload) => Err(payload),
    };
    let dropped = catch_unwind(AssertUnwindSafe(|| section.inside(|| body.set(None))));
    Some(match (ended, dropped) {
        (Ok(_), Err(payload)) => Err(payload),
        (ended, _) => ended,
    })
}

/// The children of a nursery, as its future has them.
struct Children<'s, C> {
    section: &'s Section,
    shared: Arc<Shared<C>>,
    /// By number. The place of the body stays empty.
    places: Vec<Option<Place<C>>>,
    running: usize,
    is_body_over: bool,
    /// The first one.
    panic: Option<Payload>,
}

struct Place<C> {
    child: C,
    waker: Waker,
}

impl<'s, C> Children<'s, C> {
    fn new(shared: Arc<Shared<C>>, section: &'s Section) -> Self {
        Self {
            section,
            shared,
            places: Vec::new(),
            running: 0,
            is_body_over: false,
            panic: None,
        }
    }

    /// Takes the children in that wait in the inbox.
    fn take_in(&mut self) {
        let new = match &mut *self.shared.inbox.lock() {
            Some(children) => std::mem::take(children),
            None => return,
        };
        for (number, child) in new {
            if self.places.len() <= number {
                self.places.resize_with(number + 1, || None);
            }
            let waker = self.shared.ready.waker(number);
            self.places[number] = Some(Place { child, waker });
            self.running += 1;
        }
    }

    /// Drops all children: their handles say that they were cancelled.
    fn drop_all(&mut self) {
        self.take_in();
        for number in 0..self.places.len() {
            self.let_go(number);
        }
    }

    /// Drops one child, and gives its number back.
    fn let_go(&mut self, number: usize) {
        let Some(place) = self.places[number].take() else {
            return;
        };
        self.running -= 1;
        self.shared.ready.release(number);
        contain(|| self.section.inside(|| drop(place)));
    }

    /// Ends the nursery, unless there are new children.
    fn try_close(&mut self) -> bool {
        let mut inbox = self.shared.inbox.lock();
        let is_empty = inbox.as_ref().is_none_or(Vec::is_empty);
        if is_empty {
            *inbox = None;
        }
        is_empty
    }
}

impl<C> Children<'_, C>
where
    C: Boxed,
{
    /// Polls those that were woken, each once. `Ready`: the body and all children have ended. `poll_body` tells whether the body has.
    fn poll_round(
        &mut self,
        cx: &mut Context<'_>,
        mut poll_body: impl FnMut() -> bool,
    ) -> Poll<()> {
        // Before the list is read: a number that comes after its end was seen finds the waker.
        self.shared.ready.set_task(Some(cx.waker().clone()));
        if self.section.is_cancelled() {
            self.drop_all();
        }
        // Who wakes itself while it is polled has its next turn in the next poll: that is what yielding means.
        for _ in 0..self.shared.ready.len().min(POLLS_AT_ONCE) {
            match self.shared.ready.pop() {
                None => break,
                Some(BODY) => self.is_body_over = poll_body(),
                Some(number) => self.poll_child(number),
            }
        }
        if self.shared.ready.len() > 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.is_body_over && self.running == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_child(&mut self, number: usize) {
        if self.places.get(number).is_none_or(Option::is_none) {
            // A new one, or a late wake of one that has gone.
            self.take_in();
        }
        let Some(Some(place)) = self.places.get_mut(number) else {
            return;
        };
        let Place { child, waker } = place;
        let mut cx = Context::from_waker(waker);
        let polled = self.section.inside(|| child.as_pin().poll(&mut cx));
        let Poll::Ready(ended) = polled else { return };
        self.let_go(number);
        let Err(payload) = ended else { return };
        if self.panic.is_none() {
            self.panic = Some(payload);
            self.section.stop(StopKind::SiblingFailed);
        } else {
            // The panic hook has reported it.
            drop_payload(payload);
        }
    }
}

impl<C> Drop for Children<'_, C> {
    fn drop(&mut self) {
        // The children may have left their wakers with others: these must not hold on to the task.
        self.shared.ready.set_task(None);
        // Children that spawn when they are dropped come late.
        let inbox = self.shared.inbox.lock().take();
        for number in 0..self.places.len() {
            self.let_go(number);
        }
        for (_, child) in inbox.unwrap_or_default() {
            contain(|| self.section.inside(|| drop(child)));
        }
    }
}
