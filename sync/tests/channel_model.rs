//! Channels against a sequential model that says exactly who gets what, and who is woken how often.

use lenio_sync::channel::{
    OwnedPermit, Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, WeakSender,
    bounded, unbounded,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type Id = usize;
type Task<R> = Pin<Box<dyn Future<Output = R>>>;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Fresh,
    Listed,
    /// Taken out of its list: woken, or claimed by a permit.
    Woken,
}

enum Running {
    Send(Task<Result<(), SendError<u32>>>),
    Recv(Task<Result<u32, RecvError>>),
    RecvMany(Task<Vec<u32>>, usize),
    Reserve(Task<Result<OwnedPermit<u32>, SendError<()>>>),
    Closed(Task<()>),
}

struct Pending {
    future: Running,
    count: Arc<Count>,
    waker: Waker,
    stage: Stage,
    wakes: usize,
    courtesy: usize,
    /// What a send hands over.
    value: u32,
    /// Whether the end of a rendezvous channel has given it back.
    is_returned: bool,
}

struct World {
    // What is tested.
    senders: Vec<Sender<u32>>,
    receivers: Vec<Receiver<u32>>,
    weak: WeakSender<u32>,
    tasks: BTreeMap<Id, Pending>,
    permits: Vec<(OwnedPermit<u32>, Option<usize>)>,
    // What it is compared with.
    capacity: Option<usize>,
    is_closed: bool,
    sender_count: usize,
    receiver_count: usize,
    /// Messages, with the waiting sender on a rendezvous channel.
    queue: VecDeque<(u32, Option<Id>)>,
    reserved: usize,
    sender_list: VecDeque<Id>,
    receiver_list: VecDeque<Id>,
    reserver_list: VecDeque<Id>,
    closer_list: VecDeque<Id>,
    waiting: usize,
    losses: usize,
    is_due: bool,
    next_id: Id,
    next_value: u32,
    /// Receivers that permits have taken out of the list, and that nobody has woken since.
    claims: Vec<(usize, Id)>,
    next_claim: usize,
}

impl World {
    fn new(capacity: Option<usize>) -> Self {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        Self {
            weak: sender.downgrade(),
            senders: vec![sender],
            receivers: vec![receiver],
            tasks: BTreeMap::new(),
            permits: Vec::new(),
            capacity,
            is_closed: false,
            sender_count: 1,
            receiver_count: 1,
            queue: VecDeque::new(),
            reserved: 0,
            sender_list: VecDeque::new(),
            receiver_list: VecDeque::new(),
            reserver_list: VecDeque::new(),
            closer_list: VecDeque::new(),
            waiting: 0,
            losses: 0,
            is_due: false,
            next_id: 0,
            next_value: 0,
            claims: Vec::new(),
            next_claim: 0,
        }
    }

    fn is_rendezvous(&self) -> bool {
        self.capacity == Some(0)
    }

    fn free(&self) -> usize {
        let used = self.queue.len() + self.reserved;
        self.capacity
            .map_or(usize::MAX, |capacity| capacity.saturating_sub(used))
    }

    fn wake(&mut self, id: Option<Id>) {
        if let Some(task) = id.and_then(|id| self.tasks.get_mut(&id)) {
            task.stage = Stage::Woken;
            task.wakes += 1;
        }
    }

    fn wake_receiver(&mut self) {
        let id = self.receiver_list.pop_front();
        if id.is_none() {
            self.wake_the_claimed();
        }
        self.wake(id);
    }

    /// Whoever is claimed must not sleep beside a message, and no claim keeps the waker of somebody who is gone.
    fn wake_the_claimed(&mut self) {
        for (_, id) in std::mem::take(&mut self.claims) {
            self.tap(id, false);
        }
    }

    fn wake_sender(&mut self) {
        let id = self.sender_list.pop_front();
        self.wake(id);
    }

    fn end(&mut self) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        for (_, sender) in &self.queue {
            if let Some(task) = sender.and_then(|id| self.tasks.get_mut(&id)) {
                task.is_returned = true;
            }
        }
        self.queue.retain(|(_, sender)| sender.is_none());
        let claimed = std::mem::take(&mut self.claims);
        let claimed = claimed.into_iter().map(|(_, id)| id).collect();
        for list in [
            std::mem::take(&mut self.sender_list),
            std::mem::take(&mut self.receiver_list),
            std::mem::take(&mut self.reserver_list),
            std::mem::take(&mut self.closer_list),
            claimed,
        ] {
            for id in list {
                // A claimed receiver may stand where it wants by now; its waker is called in any case.
                self.tap(id, true);
            }
        }
    }

    /// A waker is called of somebody who stands in no list, or of one whose claim ended.
    fn tap(&mut self, id: Id, is_taken: bool) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.wakes += 1;
            if is_taken {
                task.stage = Stage::Woken;
            }
        }
    }

    fn lose_sender(&mut self) {
        self.sender_count -= 1;
        if self.sender_count == 0 {
            self.end();
        }
    }

    fn lose_receiver(&mut self) {
        self.receiver_count -= 1;
        if self.receiver_count == 0 {
            self.end();
            self.queue.clear();
        }
    }

    fn put(&mut self, value: u32, sender: Option<Id>) {
        self.queue.push_back((value, sender));
        self.wake_receiver();
    }

    fn take(&mut self) -> Option<u32> {
        let (value, sender) = self.queue.pop_front()?;
        if self.is_rendezvous() {
            if sender.is_some() {
                assert_eq!(self.sender_list.pop_front(), sender);
                self.wake(sender);
            }
        } else {
            self.wake_sender();
        }
        Some(value)
    }

    fn start(&mut self, future: Running, value: u32) {
        let count = Arc::new(Count::default());
        let pending = Pending {
            future,
            waker: Waker::from(count.clone()),
            count,
            stage: Stage::Fresh,
            wakes: 0,
            courtesy: 0,
            value,
            is_returned: false,
        };
        self.tasks.insert(self.next_id, pending);
        self.next_id += 1;
    }

    fn list_of(&mut self, id: Id) -> &mut VecDeque<Id> {
        match self.tasks[&id].future {
            Running::Send(_) => &mut self.sender_list,
            Running::Reserve(_) if self.capacity == Some(0) => &mut self.reserver_list,
            Running::Reserve(_) => &mut self.sender_list,
            Running::Recv(_) | Running::RecvMany(..) => &mut self.receiver_list,
            Running::Closed(_) => &mut self.closer_list,
        }
    }

    fn enlist(&mut self, id: Id) {
        let stage = self.tasks[&id].stage;
        match stage {
            Stage::Fresh => self.list_of(id).push_back(id),
            Stage::Woken => self.list_of(id).push_front(id),
            Stage::Listed => {}
        }
        if let Some(task) = self.tasks.get_mut(&id) {
            task.stage = Stage::Listed;
        }
    }

    fn unlist(&mut self, id: Id) {
        self.list_of(id).retain(|other| *other != id);
    }

    /// Whether a sender or reserver gets a place: the answer of the model, with all that follows from it but the taking.
    fn expect_place(&mut self, id: Id) -> Option<Result<(), ()>> {
        let stage = self.tasks[&id].stage;
        if self.is_closed {
            self.waiting -= usize::from(stage != Stage::Fresh);
            return Some(Err(()));
        }
        if self.free() == 0 {
            match stage {
                Stage::Fresh => self.waiting += 1,
                Stage::Listed => {}
                Stage::Woken => {
                    self.losses += 1;
                    self.is_due |= self.losses >= 16;
                }
            }
            self.enlist(id);
            return None;
        }
        if stage == Stage::Fresh {
            let task = self.tasks.get_mut(&id).unwrap();
            if self.is_due && task.courtesy < 16 {
                task.courtesy += 1;
                task.wakes += 1;
                return None;
            }
        } else {
            self.waiting -= 1;
            self.losses = 0;
            self.is_due = false;
            self.unlist(id);
        }
        Some(Ok(()))
    }

    fn poll(&mut self, id: Id) {
        let mut task = self.tasks.remove(&id).unwrap();
        let waker = task.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let stage = task.stage;
        match &mut task.future {
            Running::Send(future) => {
                let poll = future.as_mut().poll(&mut cx);
                let value = task.value;
                self.tasks.insert(id, task);
                let expected = if self.is_rendezvous() {
                    match stage {
                        Stage::Fresh if self.is_closed => Some(Err(SendError(value))),
                        Stage::Fresh => {
                            self.enlist(id);
                            self.put(value, Some(id));
                            None
                        }
                        Stage::Listed => None,
                        Stage::Woken if self.tasks[&id].is_returned => Some(Err(SendError(value))),
                        Stage::Woken => Some(Ok(())),
                    }
                } else {
                    let place = self.expect_place(id);
                    if place == Some(Ok(())) {
                        self.put(value, None);
                    }
                    place.map(|place| place.map_err(|()| SendError(value)))
                };
                assert_eq!(poll, expected.map_or(Poll::Pending, Poll::Ready));
                if poll.is_ready() {
                    self.tasks.remove(&id);
                    self.lose_sender();
                }
            }
            Running::Reserve(future) => {
                let poll = future.as_mut().poll(&mut cx);
                self.tasks.insert(id, task);
                let mut claimed = None;
                let expected = if self.is_rendezvous() {
                    if self.is_closed {
                        Some(Err(()))
                    } else {
                        if let Some(receiver) = self.receiver_list.pop_front() {
                            self.tasks.get_mut(&receiver).unwrap().stage = Stage::Woken;
                            self.claims.push((self.next_claim, receiver));
                            claimed = Some(self.next_claim);
                            self.next_claim += 1;
                            self.unlist(id);
                            Some(Ok(()))
                        } else {
                            self.enlist(id);
                            None
                        }
                    }
                } else {
                    let place = self.expect_place(id);
                    if place == Some(Ok(())) {
                        self.reserved += 1;
                    }
                    place
                };
                match poll {
                    Poll::Pending => assert!(expected.is_none()),
                    Poll::Ready(Ok(permit)) => {
                        assert_eq!(expected, Some(Ok(())));
                        self.tasks.remove(&id);
                        self.permits.push((permit, claimed));
                    }
                    Poll::Ready(Err(SendError(()))) => {
                        assert_eq!(expected, Some(Err(())));
                        self.tasks.remove(&id);
                        self.lose_sender();
                    }
                }
            }
            Running::Recv(future) => {
                let poll = future.as_mut().poll(&mut cx);
                self.tasks.insert(id, task);
                let expected = self.expect_look(id, Self::take);
                match poll {
                    Poll::Pending => assert_eq!(expected, None),
                    Poll::Ready(Ok(message)) => assert_eq!(expected, Some(Some(message))),
                    Poll::Ready(Err(RecvError)) => assert_eq!(expected, Some(None)),
                }
                if poll.is_ready() {
                    self.tasks.remove(&id);
                    self.lose_receiver();
                }
            }
            Running::RecvMany(future, limit) => {
                let limit = *limit;
                let poll = future.as_mut().poll(&mut cx);
                self.tasks.insert(id, task);
                let expected = if limit == 0 {
                    Some(None)
                } else {
                    self.expect_look(id, |world| {
                        let many = Vec::from_iter((0..limit).map_while(|_| world.take()));
                        (!many.is_empty()).then_some(many)
                    })
                };
                match poll {
                    Poll::Pending => assert_eq!(expected, None),
                    Poll::Ready(many) => {
                        assert_eq!(expected.map(Option::unwrap_or_default), Some(many));
                        self.tasks.remove(&id);
                        self.lose_receiver();
                    }
                }
            }
            Running::Closed(future) => {
                let poll = future.as_mut().poll(&mut cx);
                assert_eq!(poll.is_ready(), self.is_closed);
                self.tasks.insert(id, task);
                if poll.is_ready() {
                    self.tasks.remove(&id);
                    self.lose_sender();
                } else {
                    self.enlist(id);
                }
            }
        }
    }

    fn expect_look<R>(
        &mut self,
        id: Id,
        take: impl FnOnce(&mut Self) -> Option<R>,
    ) -> Option<Option<R>> {
        let stage = self.tasks[&id].stage;
        if let Some(found) = take(self) {
            self.unlist(id);
            if stage != Stage::Fresh {
                self.wake_the_claimed();
            }
            return Some(Some(found));
        }
        if self.is_closed {
            return Some(None);
        }
        if stage == Stage::Woken {
            self.wake_the_claimed();
        }
        let reserver = self.reserver_list.pop_front();
        self.wake(reserver);
        self.enlist(id);
        None
    }

    fn cancel(&mut self, id: Id) {
        let stage = self.tasks[&id].stage;
        let is_receiver = matches!(
            self.tasks[&id].future,
            Running::Recv(_) | Running::RecvMany(..)
        );
        self.unlist(id);
        let task = self.tasks.remove(&id).unwrap();
        match task.future {
            Running::Send(_) if self.is_rendezvous() => {
                self.queue.retain(|(_, sender)| *sender != Some(id));
            }
            Running::Reserve(_)
                if self.is_rendezvous()
                    && stage == Stage::Woken
                    && !self.receiver_list.is_empty() =>
            {
                let reserver = self.reserver_list.pop_front();
                self.wake(reserver);
            }
            Running::Send(_) | Running::Reserve(_)
                if !self.is_rendezvous() && stage != Stage::Fresh =>
            {
                self.waiting -= 1;
                if self.waiting == 0 {
                    self.losses = 0;
                    self.is_due = false;
                }
                if stage == Stage::Woken && self.free() > 0 {
                    self.wake_sender();
                }
            }
            Running::Recv(_) | Running::RecvMany(..) if stage == Stage::Woken => {
                self.wake_the_claimed();
                if !self.queue.is_empty() {
                    self.wake_receiver();
                }
            }
            _ => {}
        }
        drop(task);
        match is_receiver {
            true => self.lose_receiver(),
            false => self.lose_sender(),
        }
    }

    fn use_permit(&mut self, at: usize, sends: bool) {
        let (permit, claimed) = self.permits.swap_remove(at);
        let value = self.next_value;
        self.next_value += 1;
        let sent = match sends {
            true => permit.send(value).map(drop),
            false => {
                drop(permit);
                Ok(())
            }
        };
        if self.is_rendezvous() {
            let at = self
                .claims
                .iter()
                .position(|claim| Some(claim.0) == claimed);
            let claim = at.map(|at| self.claims.remove(at).1);
            if sends && !self.is_closed {
                self.put(value, None);
            }
            if let Some(id) = claim {
                self.tap(id, false);
            }
        } else {
            self.reserved -= 1;
            match (sends, self.is_closed) {
                (true, false) => self.put(value, None),
                (false, _) => self.wake_sender(),
                _ => {}
            }
        }
        let expected = match sends && self.is_closed {
            true => Err(SendError(value)),
            false => Ok(()),
        };
        assert_eq!(sent, expected);
        self.lose_sender();
    }

    fn try_send(&mut self) {
        let Some(sender) = self.senders.first() else {
            return;
        };
        let value = self.next_value;
        self.next_value += 1;
        let sent = sender.try_send(value);
        let is_open = match self.is_rendezvous() {
            true => !self.receiver_list.is_empty(),
            false => self.free() > 0,
        };
        let expected = match (self.is_closed, is_open) {
            (true, _) => Err(TrySendError::Closed(value)),
            (false, false) => Err(TrySendError::Full(value)),
            (false, true) => Ok(()),
        };
        assert_eq!(sent, expected);
        if expected.is_ok() {
            self.put(value, None);
        }
    }

    fn try_recv(&mut self) {
        let Some(receiver) = self.receivers.first() else {
            return;
        };
        let received = receiver.try_recv();
        let expected = self.take().ok_or(match self.is_closed {
            true => TryRecvError::Closed,
            false => TryRecvError::Empty,
        });
        assert_eq!(received, expected);
    }

    fn step(&mut self, operation: u8, choice: u8) {
        let choice = usize::from(choice);
        let some_task = self
            .tasks
            .keys()
            .nth(choice % self.tasks.len().max(1))
            .copied();
        match (operation % 20, some_task) {
            (0 | 1, _) => {
                let Some(sender) = self.senders.first().cloned() else {
                    return;
                };
                let value = self.next_value;
                self.next_value += 1;
                self.sender_count += 1;
                let send = Box::pin(async move { sender.send(value).await });
                self.start(Running::Send(send), value);
            }
            (2 | 3, _) => {
                let Some(receiver) = self.receivers.first().cloned() else {
                    return;
                };
                self.receiver_count += 1;
                let recv = Box::pin(async move { receiver.recv().await });
                self.start(Running::Recv(recv), 0);
            }
            (4, _) => {
                let Some(receiver) = self.receivers.first().cloned() else {
                    return;
                };
                self.receiver_count += 1;
                let limit = choice % 4;
                let many = Box::pin(async move {
                    let mut messages = Vec::new();
                    let count = receiver.recv_many(&mut messages, limit).await;
                    assert_eq!(count, messages.len());
                    messages
                });
                self.start(Running::RecvMany(many, limit), 0);
            }
            (5, _) => {
                let Some(sender) = self.senders.first().cloned() else {
                    return;
                };
                self.sender_count += 1;
                self.start(Running::Reserve(Box::pin(sender.reserve_owned())), 0);
            }
            (6..=11, Some(id)) => self.poll(id),
            (12 | 13, Some(id)) => self.cancel(id),
            (14, _) => self.try_send(),
            (15, _) => self.try_recv(),
            (16 | 17, _) if !self.permits.is_empty() => {
                self.use_permit(choice % self.permits.len(), operation % 20 == 16);
            }
            (18, _) => self.rare(choice),
            (19, _) => {
                let upgraded = self.weak.upgrade();
                assert_eq!(upgraded.is_some(), self.sender_count > 0);
                drop(upgraded);
            }
            _ => {}
        }
    }

    fn rare(&mut self, choice: usize) {
        match choice % 16 {
            0 => {
                if let Some(sender) = self.senders.pop() {
                    drop(sender);
                    self.lose_sender();
                }
            }
            1 => {
                if let Some(receiver) = self.receivers.pop() {
                    drop(receiver);
                    self.lose_receiver();
                }
            }
            2 => {
                let closed = match (self.senders.first(), self.receivers.first()) {
                    (Some(sender), _) => sender.close(),
                    (None, Some(receiver)) => receiver.close(),
                    _ => return,
                };
                assert_eq!(closed, !self.is_closed);
                self.end();
            }
            3..=6 => {
                if let Some(sender) = self.senders.first().cloned() {
                    self.senders.push(sender);
                    self.sender_count += 1;
                }
            }
            7..=10 => {
                if let Some(receiver) = self.receivers.first().cloned() {
                    self.receivers.push(receiver);
                    self.receiver_count += 1;
                }
            }
            _ => {
                let Some(sender) = self.senders.first().cloned() else {
                    return;
                };
                self.sender_count += 1;
                let closed = Box::pin(async move { sender.closed().await });
                self.start(Running::Closed(closed), 0);
            }
        }
    }

    fn check(&self) {
        for (id, task) in &self.tasks {
            let wakes = task.count.0.load(Ordering::Relaxed);
            assert_eq!(wakes, task.wakes, "wakes of task {id}, {:?}", task.stage);
        }
        let len = match self.is_rendezvous() {
            true => self.queue.iter().filter(|entry| entry.1.is_none()).count(),
            false => self.queue.len(),
        };
        if let Some(sender) = self.senders.first() {
            assert_eq!(sender.len(), len);
            assert_eq!(sender.is_full(), self.free() == 0);
            assert_eq!(sender.is_closed(), self.is_closed);
            assert_eq!(sender.sender_count(), self.sender_count);
            assert_eq!(sender.receiver_count(), self.receiver_count);
            assert_eq!(sender.capacity(), self.capacity);
        }
        if let Some(receiver) = self.receivers.first() {
            assert_eq!(receiver.len(), len);
            assert_eq!(receiver.is_empty(), len == 0);
            assert_eq!(receiver.is_closed(), self.is_closed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_outcome_and_every_wake_is_the_one_of_the_model(
        capacity in prop_oneof![Just(Some(0)), Just(Some(1)), Just(Some(2)), Just(None)],
        steps in prop::collection::vec((any::<u8>(), any::<u8>()), 1..300),
    ) {
        let mut world = World::new(capacity);
        for (operation, choice) in steps {
            world.step(operation, choice);
            world.check();
        }
    }
}
