//! Oneshot, watch and broadcast channels beside those of `tokio`: the same script has the same outcomes.
//!
//! A script runs on one thread, once for each of the two, and every step of it says what came out: values, errors, counts, whether a
//! future is pending. Channels of many senders and many receivers stand beside `async-channel` in `channel_oracle`.
//!
//! What the two do differently on purpose, and what the scripts therefore leave out or translate:
//!
//! | | lenio | tokio |
//! |---|---|---|
//! | oneshot, polled after it was ready | says that there is no value | panics |
//! | watch, `has_changed` of a channel without senders | says whether there is an unseen value | fails, also if there is one |
//! | watch, `closed` while a receiver comes back | is ready: all receivers had gone | waits for the new one too |
//! | watch, a look at the value | keeps a copy of the pointer; sending goes on | holds a lock that a send waits for |
//! | broadcast, `close` | ends the channel for everybody | is not there |
//! | broadcast, values that nobody has still to see | dropped by the last one that sees them | kept until they are overwritten |
//!
//! Beside the outcomes each run is checked for lost wake-ups: whoever was pending and is ready later has been woken in between.

use proptest::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whoever polls a future, and is woken by it.
#[derive(Default)]
struct Watcher {
    wakes: Arc<Wakes>,
    is_pending: bool,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watcher {
    fn poll<F: Future>(&mut self, future: Pin<&mut F>) -> Option<F::Output> {
        let was_woken = self.wakes.0.swap(0, Ordering::Relaxed) > 0;
        let waker = Waker::from(self.wakes.clone());
        let poll = future.poll(&mut Context::from_waker(&waker));
        let was_pending = std::mem::replace(&mut self.is_pending, true);
        match poll {
            Poll::Pending => None,
            Poll::Ready(output) => {
                assert!(was_woken || !was_pending, "its wake-up was lost");
                Some(output)
            }
        }
    }
}

/// A future that owns what it waits at.
struct Task<R>(Pin<Box<dyn Future<Output = R>>>, Watcher);

impl<R> Task<R> {
    fn new(future: impl Future<Output = R> + 'static) -> Self {
        Self(Box::pin(future), Watcher::default())
    }

    fn poll(&mut self) -> Option<R> {
        let Self(future, watcher) = self;
        watcher.poll(Pin::new(future))
    }
}

/// Polls once, and drops the future.
fn once<R>(future: impl Future<Output = R>) -> Option<R> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What the steps of a script led to.
type Outcomes = Vec<String>;

macro_rules! say {
    ($outcomes:ident, $($what:tt)*) => { $outcomes.push(format!($($what)*)) };
}

#[derive(Debug, Clone, Copy)]
enum Oneshot {
    Send(u32),
    DropSender,
    IsClosed,
    PollClosed,
    PollReceiver,
    TryRecv,
    Close,
    DropReceiver,
}

fn oneshot_step() -> impl Strategy<Value = Oneshot> {
    prop_oneof![
        any::<u32>().prop_map(Oneshot::Send),
        Just(Oneshot::DropSender),
        Just(Oneshot::IsClosed),
        Just(Oneshot::PollClosed),
        Just(Oneshot::PollReceiver),
        Just(Oneshot::PollReceiver),
        Just(Oneshot::TryRecv),
        Just(Oneshot::Close),
        Just(Oneshot::DropReceiver),
    ]
}

macro_rules! oneshot_candidate {
    ($name:ident, $module:path, $errors:path, $refused:ident => $value:expr) => {
        fn $name(script: &[Oneshot]) -> Outcomes {
            use $errors as errors;
            use $module as oneshot;
            let mut out = Outcomes::new();
            let (sender, receiver) = oneshot::channel::<u32>();
            let (mut sender, mut receiver) = (Some(sender), Some(receiver));
            let mut watcher = Watcher::default();
            // From then on the other one panics when it is polled.
            let mut is_over = false;
            for step in script {
                match *step {
                    Oneshot::Send(value) => {
                        if let Some(sender) = sender.take() {
                            let sent = sender.send(value).map_err(|$refused| $value);
                            say!(out, "send {sent:?}");
                        }
                    }
                    Oneshot::DropSender => drop(sender.take()),
                    Oneshot::IsClosed => {
                        if let Some(sender) = &sender {
                            say!(out, "is closed: {}", sender.is_closed());
                        }
                    }
                    Oneshot::PollClosed => {
                        if let Some(sender) = &mut sender {
                            say!(out, "closed: {:?}", once(sender.closed()));
                        }
                    }
                    Oneshot::PollReceiver => {
                        if let (Some(receiver), false) = (&mut receiver, is_over) {
                            let received = watcher.poll(Pin::new(receiver));
                            is_over = received.is_some();
                            say!(out, "recv: {:?}", received.map(|received| received.ok()));
                        }
                    }
                    Oneshot::TryRecv => {
                        if let Some(receiver) = &mut receiver {
                            let received = receiver.try_recv();
                            is_over |= received != Err(errors::TryRecvError::Empty);
                            say!(out, "try_recv: {received:?}");
                        }
                    }
                    Oneshot::Close => {
                        if let Some(receiver) = &mut receiver {
                            receiver.close();
                            // Whoever closes is not told.
                            watcher.is_pending = false;
                        }
                    }
                    Oneshot::DropReceiver => drop(receiver.take()),
                }
            }
            out
        }
    };
}

oneshot_candidate!(oneshot_of_lenio, lenio_sync::channel::oneshot, lenio_sync::channel::oneshot, error => error.into_inner());
oneshot_candidate!(oneshot_of_tokio, tokio::sync::oneshot, tokio::sync::oneshot::error, value => value);

#[derive(Debug, Clone, Copy)]
enum Watch {
    Send(u32),
    SendReplace(u32),
    SendModify,
    SendIf(bool),
    CloneSender,
    DropSender,
    Subscribe,
    CloneReceiver(usize),
    DropReceiver(usize),
    Borrow(usize),
    Update(usize),
    HasChanged(usize),
    Mark(usize, bool),
    ChangedOnce(usize),
    WaitForOnce(usize, u32),
    /// Lets a receiver wait, in a task of its own.
    Wait(usize),
    PollWaiting(usize),
    /// Lets a sender wait for the receivers to go.
    Closed,
    Counts,
}

fn watch_step() -> impl Strategy<Value = Watch> {
    let which = 0_usize..4;
    prop_oneof![
        (0_u32..9).prop_map(Watch::Send),
        (0_u32..9).prop_map(Watch::Send),
        (0_u32..9).prop_map(Watch::SendReplace),
        Just(Watch::SendModify),
        any::<bool>().prop_map(Watch::SendIf),
        Just(Watch::CloneSender),
        Just(Watch::DropSender),
        Just(Watch::Subscribe),
        which.clone().prop_map(Watch::CloneReceiver),
        which.clone().prop_map(Watch::DropReceiver),
        which.clone().prop_map(Watch::Borrow),
        which.clone().prop_map(Watch::Update),
        which.clone().prop_map(Watch::HasChanged),
        (which.clone(), any::<bool>()).prop_map(|(which, changed)| Watch::Mark(which, changed)),
        which.clone().prop_map(Watch::ChangedOnce),
        (which.clone(), 0_u32..9).prop_map(|(which, least)| Watch::WaitForOnce(which, least)),
        which.clone().prop_map(Watch::Wait),
        which.clone().prop_map(Watch::PollWaiting),
        which.prop_map(Watch::PollWaiting),
        Just(Watch::Closed),
        Just(Watch::Counts),
    ]
}

macro_rules! watch_candidate {
    ($name:ident, $module:path, $refused:ident => $value:expr, $receiver:ident => $has_changed:expr, $replaced:ident => $old:expr) => {
        fn $name(script: &[Watch]) -> Outcomes {
            use $module as watch;
            let mut out = Outcomes::new();
            let (sender, receiver) = watch::channel(0_u32);
            let (mut senders, mut receivers) = (vec![sender], vec![receiver]);
            let mut waiting = Vec::new();
            let mut asked_for_end = false;
            let pick = |which: usize, len: usize| (len > 0).then(|| which % len);
            for step in script {
                match *step {
                    Watch::Send(value) => {
                        if let Some(sender) = senders.first() {
                            let sent = sender.send(value).map_err(|$refused| $value);
                            say!(out, "send {sent:?}");
                        }
                    }
                    Watch::SendReplace(value) => {
                        if let Some(sender) = senders.first() {
                            let $replaced = sender.send_replace(value);
                            say!(out, "replaced {}", $old);
                        }
                    }
                    Watch::SendModify => {
                        if let Some(sender) = senders.first() {
                            sender.send_modify(|value| *value += 1);
                        }
                    }
                    Watch::SendIf(modifies) => {
                        if let Some(sender) = senders.first() {
                            let modified = sender.send_if_modified(|value| {
                                if modifies {
                                    *value += 10;
                                }
                                modifies
                            });
                            say!(out, "modified: {modified}");
                        }
                    }
                    Watch::CloneSender => {
                        let sender = senders.first().cloned();
                        senders.extend(sender);
                    }
                    Watch::DropSender => drop(senders.pop()),
                    // They differ for whoever waits for the end meanwhile.
                    Watch::Subscribe if asked_for_end => {}
                    Watch::Subscribe => {
                        let receiver = senders.first().map(|sender| sender.subscribe());
                        receivers.extend(receiver);
                    }
                    Watch::CloneReceiver(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            receivers.push(receivers[which].clone());
                        }
                    }
                    Watch::DropReceiver(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            drop(receivers.remove(which));
                        }
                    }
                    Watch::Borrow(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let look = receivers[which].borrow();
                            say!(out, "borrow {}, changed: {}", *look, look.has_changed());
                        }
                    }
                    Watch::Update(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let look = receivers[which].borrow_and_update();
                            say!(out, "update {}, changed: {}", *look, look.has_changed());
                        }
                    }
                    Watch::HasChanged(which) => {
                        // Without senders they differ.
                        if let (Some(which), false) =
                            (pick(which, receivers.len()), senders.is_empty())
                        {
                            let $receiver = &receivers[which];
                            say!(out, "has changed: {}", $has_changed);
                        }
                    }
                    Watch::Mark(which, changed) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            match changed {
                                true => receivers[which].mark_changed(),
                                false => receivers[which].mark_unchanged(),
                            }
                        }
                    }
                    Watch::ChangedOnce(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let changed = once(receivers[which].changed());
                            say!(out, "changed: {:?}", changed.map(|changed| changed.is_ok()));
                        }
                    }
                    Watch::WaitForOnce(which, least) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let found = once(receivers[which].wait_for(|value| *value >= least));
                            let found = found.map(|found| found.map(|look| *look).ok());
                            say!(out, "wait for {least}: {found:?}");
                        }
                    }
                    Watch::Wait(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let mut receiver = receivers.remove(which);
                            waiting.push(Task::new(async move {
                                let changed = receiver.changed().await.is_ok();
                                (Some(receiver), changed)
                            }));
                        }
                    }
                    Watch::Closed => {
                        if let Some(sender) = senders.first().cloned() {
                            asked_for_end = true;
                            waiting.push(Task::new(async move {
                                sender.closed().await;
                                (None, true)
                            }));
                        }
                    }
                    Watch::PollWaiting(which) => {
                        if let Some(which) = pick(which, waiting.len()) {
                            let polled = waiting[which].poll();
                            say!(out, "waiting: {:?}", polled.as_ref().map(|polled| polled.1));
                            if let Some((receiver, _)) = polled {
                                drop(waiting.remove(which));
                                receivers.extend(receiver);
                            }
                        }
                    }
                    Watch::Counts => {
                        if let Some(sender) = senders.first() {
                            let (now, closed) = (*sender.borrow(), sender.is_closed());
                            let (ours, theirs) = (sender.sender_count(), sender.receiver_count());
                            say!(
                                out,
                                "{now}, closed: {closed}, {ours} senders, {theirs} receivers"
                            );
                        }
                    }
                }
            }
            out
        }
    };
}

watch_candidate!(
    watch_of_lenio,
    lenio_sync::channel::watch,
    error => error.into_inner(),
    receiver => receiver.has_changed(),
    replaced => *replaced
);
watch_candidate!(
    watch_of_tokio,
    tokio::sync::watch,
    error => error.0,
    receiver => receiver.has_changed().expect("there is a sender"),
    replaced => replaced
);

#[derive(Debug, Clone, Copy)]
enum Broadcast {
    Send,
    SendMany(usize),
    CloneSender,
    DropSender,
    Subscribe,
    Resubscribe(usize),
    DropReceiver(usize),
    TryRecv(usize),
    RecvOnce(usize),
    Wait(usize),
    PollWaiting(usize),
    Lengths(usize),
    Counts,
    Upgrade,
}

fn broadcast_step() -> impl Strategy<Value = Broadcast> {
    let which = 0_usize..4;
    prop_oneof![
        Just(Broadcast::Send),
        Just(Broadcast::Send),
        (0_usize..6).prop_map(Broadcast::SendMany),
        Just(Broadcast::CloneSender),
        Just(Broadcast::DropSender),
        Just(Broadcast::Subscribe),
        which.clone().prop_map(Broadcast::Resubscribe),
        which.clone().prop_map(Broadcast::DropReceiver),
        which.clone().prop_map(Broadcast::TryRecv),
        which.clone().prop_map(Broadcast::TryRecv),
        which.clone().prop_map(Broadcast::RecvOnce),
        which.clone().prop_map(Broadcast::Wait),
        which.clone().prop_map(Broadcast::PollWaiting),
        which.clone().prop_map(Broadcast::PollWaiting),
        which.prop_map(Broadcast::Lengths),
        Just(Broadcast::Counts),
        Just(Broadcast::Upgrade),
    ]
}

macro_rules! broadcast_candidate {
    ($name:ident, $module:path, $errors:path, $refused:ident => $value:expr) => {
        fn $name(script: &[Broadcast], capacity: usize) -> Outcomes {
            use $errors as errors;
            use $module as broadcast;
            let mut out = Outcomes::new();
            let (sender, receiver) = broadcast::channel(capacity);
            let weak = sender.downgrade();
            let (mut senders, mut receivers) = (vec![sender], vec![receiver]);
            let mut waiting = Vec::new();
            let mut next = 0_u32;
            let pick = |which: usize, len: usize| (len > 0).then(|| which % len);
            let mut send = |sender: &broadcast::Sender<u32>, out: &mut Outcomes| {
                next += 1;
                let sent = sender.send(next).map_err(|$refused| $value);
                say!(out, "send {sent:?}");
            };
            let said = |received: Result<u32, errors::RecvError>| match received {
                Ok(value) => format!("{value}"),
                Err(errors::RecvError::Lagged(missed)) => format!("missed {missed}"),
                Err(errors::RecvError::Closed) => "closed".into(),
            };
            for step in script {
                match *step {
                    Broadcast::Send => {
                        if let Some(sender) = senders.first() {
                            send(sender, &mut out);
                        }
                    }
                    Broadcast::SendMany(count) => {
                        for _ in 0..count {
                            if let Some(sender) = senders.first() {
                                send(sender, &mut out);
                            }
                        }
                    }
                    Broadcast::CloneSender => {
                        let sender = senders.first().cloned();
                        senders.extend(sender);
                    }
                    Broadcast::DropSender => drop(senders.pop()),
                    Broadcast::Subscribe => {
                        let receiver = senders.first().map(|sender| sender.subscribe());
                        receivers.extend(receiver);
                    }
                    Broadcast::Resubscribe(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            receivers.push(receivers[which].resubscribe());
                        }
                    }
                    Broadcast::DropReceiver(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            drop(receivers.remove(which));
                        }
                    }
                    Broadcast::TryRecv(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            match receivers[which].try_recv() {
                                Ok(value) => say!(out, "try_recv {value}"),
                                Err(errors::TryRecvError::Empty) => say!(out, "empty"),
                                Err(errors::TryRecvError::Closed) => say!(out, "closed"),
                                Err(errors::TryRecvError::Lagged(missed)) => {
                                    say!(out, "missed {missed}");
                                }
                            }
                        }
                    }
                    Broadcast::RecvOnce(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let received = once(receivers[which].recv());
                            say!(out, "recv {:?}", received.map(said));
                        }
                    }
                    Broadcast::Wait(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            let mut receiver = receivers.remove(which);
                            waiting.push(Task::new(async move {
                                let received = receiver.recv().await;
                                (receiver, received)
                            }));
                        }
                    }
                    Broadcast::PollWaiting(which) => {
                        if let Some(which) = pick(which, waiting.len()) {
                            match waiting[which].poll() {
                                None => say!(out, "waits"),
                                Some((receiver, received)) => {
                                    drop(waiting.remove(which));
                                    receivers.push(receiver);
                                    say!(out, "waited for {}", said(received));
                                }
                            }
                        }
                    }
                    Broadcast::Lengths(which) => {
                        if let Some(which) = pick(which, receivers.len()) {
                            // Of what was overwritten the other one counts all.
                            let (len, empty) =
                                (receivers[which].len(), receivers[which].is_empty());
                            let capacity = capacity.next_power_of_two();
                            say!(out, "length {}, empty: {empty}", len.min(capacity));
                        }
                    }
                    Broadcast::Counts => {
                        if let Some(sender) = senders.first() {
                            let theirs = sender.receiver_count();
                            say!(out, "{} to see, {theirs} receivers", sender.len());
                        }
                    }
                    Broadcast::Upgrade => {
                        let upgraded = weak.upgrade();
                        say!(out, "upgraded: {}", upgraded.is_some());
                        senders.extend(upgraded);
                    }
                }
            }
            out
        }
    };
}

broadcast_candidate!(broadcast_of_lenio, lenio_sync::channel::broadcast, lenio_sync::channel::broadcast, error => error.into_inner());
broadcast_candidate!(broadcast_of_tokio, tokio::sync::broadcast, tokio::sync::broadcast::error, error => error.0);

/// How many scripts, unless `PROPTEST_CASES` asks for more.
const SCRIPTS: u32 = 1_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(SCRIPTS), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn oneshot_channels_agree(script in prop::collection::vec(oneshot_step(), 1..24)) {
        prop_assert_eq!(oneshot_of_lenio(&script), oneshot_of_tokio(&script));
    }

    #[test]
    fn watch_channels_agree(script in prop::collection::vec(watch_step(), 1..60)) {
        prop_assert_eq!(watch_of_lenio(&script), watch_of_tokio(&script));
    }

    #[test]
    fn broadcast_channels_agree(script in prop::collection::vec(broadcast_step(), 1..60), capacity in 1_usize..5) {
        prop_assert_eq!(broadcast_of_lenio(&script, capacity), broadcast_of_tokio(&script, capacity));
    }
}
