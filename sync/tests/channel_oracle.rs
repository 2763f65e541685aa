//! Channels beside those of `async-channel`: the same script has the same outcomes.
//!
//! Both let newcomers take what is free and both try again whenever a pending future is polled, so as long as nobody has lost sixteen
//! times each step of a script that runs on one thread ends alike. What the two do differently is left out: rendezvous channels, which
//! the other does not have, and the lengths after the last receiver has gone, when lenio drops the messages at once.

use lenio_sync::channel;
use proptest::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

type Task<R> = Pin<Box<dyn Future<Output = R>>>;

/// What a step of the script led to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Nothing,
    Sent,
    Full(u32),
    Refused(u32),
    Received(u32),
    Empty,
    Closed,
    Pending,
    Said(bool),
    Numbers(usize, bool, bool, usize, usize, Option<usize>),
}

/// One of the two candidates.
trait Candidate {
    fn try_send(&mut self, value: u32) -> Outcome;
    fn try_recv(&mut self) -> Outcome;
    fn send(&mut self, value: u32) -> Option<Task<Outcome>>;
    fn recv(&mut self) -> Option<Task<Outcome>>;
    fn close(&mut self) -> Outcome;
    fn clone_sender(&mut self);
    fn clone_receiver(&mut self);
    fn drop_sender(&mut self);
    fn drop_receiver(&mut self);
    fn numbers(&mut self) -> Outcome;
}

macro_rules! candidate {
    ($name:ident, $senders:ty, $receivers:ty, $full:pat => $full_value:expr, $closed:pat => $closed_value:expr, $empty:pat) => {
        struct $name {
            senders: Vec<$senders>,
            receivers: Vec<$receivers>,
        }

        impl Candidate for $name {
            fn try_send(&mut self, value: u32) -> Outcome {
                let Some(sender) = self.senders.first() else {
                    return Outcome::Nothing;
                };
                match sender.try_send(value) {
                    Ok(()) => Outcome::Sent,
                    Err($full) => Outcome::Full($full_value),
                    Err($closed) => Outcome::Refused($closed_value),
                }
            }

            fn try_recv(&mut self) -> Outcome {
                let Some(receiver) = self.receivers.first() else {
                    return Outcome::Nothing;
                };
                match receiver.try_recv() {
                    Ok(value) => Outcome::Received(value),
                    Err($empty) => Outcome::Empty,
                    Err(_) => Outcome::Closed,
                }
            }

            fn send(&mut self, value: u32) -> Option<Task<Outcome>> {
                let sender = self.senders.first()?.clone();
                Some(Box::pin(async move {
                    match sender.send(value).await {
                        Ok(()) => Outcome::Sent,
                        Err(error) => Outcome::Refused(error.into_inner()),
                    }
                }))
            }

            fn recv(&mut self) -> Option<Task<Outcome>> {
                let receiver = self.receivers.first()?.clone();
                Some(Box::pin(async move {
                    match receiver.recv().await {
                        Ok(value) => Outcome::Received(value),
                        Err(_) => Outcome::Closed,
                    }
                }))
            }

            fn close(&mut self) -> Outcome {
                match (self.senders.first(), self.receivers.first()) {
                    (Some(sender), _) => Outcome::Said(sender.close()),
                    (None, Some(receiver)) => Outcome::Said(receiver.close()),
                    _ => Outcome::Nothing,
                }
            }

            fn clone_sender(&mut self) {
                self.senders.extend(self.senders.first().cloned());
            }

            fn clone_receiver(&mut self) {
                self.receivers.extend(self.receivers.first().cloned());
            }

            fn drop_sender(&mut self) {
                self.senders.pop();
            }

            fn drop_receiver(&mut self) {
                self.receivers.pop();
            }

            fn numbers(&mut self) -> Outcome {
                let (Some(sender), Some(receiver)) = (self.senders.first(), self.receivers.first())
                else {
                    return Outcome::Nothing;
                };
                Outcome::Numbers(
                    receiver.len(),
                    sender.is_full(),
                    receiver.is_closed(),
                    sender.sender_count(),
                    sender.receiver_count(),
                    receiver.capacity(),
                )
            }
        }
    };
}

candidate!(
    Lenio, channel::Sender<u32>, channel::Receiver<u32>,
    channel::TrySendError::Full(value) => value,
    channel::TrySendError::Closed(value) => value,
    channel::TryRecvError::Empty
);
candidate!(
    Other, async_channel::Sender<u32>, async_channel::Receiver<u32>,
    async_channel::TrySendError::Full(value) => value,
    async_channel::TrySendError::Closed(value) => value,
    async_channel::TryRecvError::Empty
);

struct Run<C> {
    candidate: C,
    tasks: Vec<Task<Outcome>>,
    value: u32,
}

impl<C: Candidate> Run<C> {
    fn step(&mut self, operation: u8, choice: u8) -> Outcome {
        self.value += 1;
        let at = usize::from(choice) % self.tasks.len().max(1);
        match operation % 16 {
            0 => self.candidate.try_send(self.value),
            1 => self.candidate.try_recv(),
            2 | 3 => {
                let send = self.candidate.send(self.value);
                self.start(send)
            }
            4 | 5 => {
                let recv = self.candidate.recv();
                self.start(recv)
            }
            6..=10 if !self.tasks.is_empty() => {
                let poll = self.tasks[at]
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                match poll {
                    Poll::Pending => Outcome::Pending,
                    Poll::Ready(outcome) => {
                        drop(self.tasks.swap_remove(at));
                        outcome
                    }
                }
            }
            11 | 12 if !self.tasks.is_empty() => {
                drop(self.tasks.swap_remove(at));
                Outcome::Nothing
            }
            13 => {
                match choice % 8 {
                    0 => self.candidate.drop_sender(),
                    1 => self.candidate.drop_receiver(),
                    2..=4 => self.candidate.clone_sender(),
                    _ => self.candidate.clone_receiver(),
                }
                Outcome::Nothing
            }
            14 if choice % 8 == 0 => self.candidate.close(),
            _ => self.candidate.numbers(),
        }
    }

    fn start(&mut self, task: Option<Task<Outcome>>) -> Outcome {
        self.tasks.extend(task);
        Outcome::Nothing
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_same_script_has_the_same_outcomes(
        capacity in prop_oneof![Just(Some(1)), Just(Some(2)), Just(Some(5)), Just(None)],
        steps in prop::collection::vec((any::<u8>(), any::<u8>()), 1..150),
    ) {
        let (sender, receiver) = capacity.map_or_else(channel::unbounded, channel::bounded);
        let candidate = Lenio { senders: vec![sender], receivers: vec![receiver] };
        let mut lenio = Run { candidate, tasks: Vec::new(), value: 0 };
        let (sender, receiver) = capacity.map_or_else(async_channel::unbounded, async_channel::bounded);
        let candidate = Other { senders: vec![sender], receivers: vec![receiver] };
        let mut other = Run { candidate, tasks: Vec::new(), value: 0 };
        for (operation, choice) in steps {
            prop_assert_eq!(lenio.step(operation, choice), other.step(operation, choice));
        }
    }
}
