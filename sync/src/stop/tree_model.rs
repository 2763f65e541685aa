//! The tree against a model that is too simple to be wrong: nodes in a list that never go, and a stop that calls itself.

use super::{Callback, StopKind, StopReason, StopSource, StoppedOwned};
use proptest::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// What a stop calls, with the number of the waiter or the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Woken(usize),
    Ran(usize),
}

type Log = Arc<Mutex<Vec<Seen>>>;

struct Logged(usize, Log);

impl Wake for Logged {
    fn wake(self: Arc<Self>) {
        self.1
            .lock()
            .expect("no panic inside")
            .push(Seen::Woken(self.0));
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Makes a child of some live source, through a token or not.
    Child {
        of: prop::sample::Index,
        by_token: bool,
    },
    DropSource(prop::sample::Index),
    Stop(prop::sample::Index),
    OnStop(prop::sample::Index),
    DropCallback(prop::sample::Index),
    Wait(prop::sample::Index),
    /// Polls some wait, with the waker that it had or another one.
    Poll {
        wait: prop::sample::Index,
        with_new_waker: bool,
    },
    DropWait(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), any::<bool>()).prop_map(|(of, by_token)| Step::Child { of, by_token }),
        2 => index().prop_map(Step::DropSource),
        1 => index().prop_map(Step::Stop),
        2 => index().prop_map(Step::OnStop),
        1 => index().prop_map(Step::DropCallback),
        2 => index().prop_map(Step::Wait),
        3 => (index(), any::<bool>()).prop_map(|(wait, with_new_waker)| Step::Poll { wait, with_new_waker }),
        1 => index().prop_map(Step::DropWait),
    ]
}

#[derive(Default)]
struct ModelNode {
    parent: Option<usize>,
    children: Vec<usize>,
    reason: Option<usize>,
    /// Numbers of the wakers of those who wait, first come first.
    waiters: Vec<(usize, usize)>,
    callbacks: Vec<usize>,
}

#[derive(Default)]
struct Model {
    nodes: Vec<ModelNode>,
    log: Vec<Seen>,
}

impl Model {
    fn child(&mut self, parent: usize) -> usize {
        let number = self.nodes.len();
        let reason = self.nodes[parent].reason;
        self.nodes.push(ModelNode {
            // Nothing more can reach a child that is born stopped, so it does not hold its parent.
            parent: reason.is_none().then_some(parent),
            reason,
            ..ModelNode::default()
        });
        self.nodes[parent].children.push(number);
        number
    }

    fn stop(&mut self, node: usize, reason: usize) -> bool {
        if self.nodes[node].reason.is_some() {
            return false;
        }
        self.nodes[node].reason = Some(reason);
        let waiters = std::mem::take(&mut self.nodes[node].waiters);
        self.log
            .extend(waiters.iter().map(|(_, waker)| Seen::Woken(*waker)));
        let callbacks = std::mem::take(&mut self.nodes[node].callbacks);
        self.log.extend(callbacks.into_iter().map(Seen::Ran));
        for child in self.nodes[node].children.clone() {
            self.stop(child, reason);
        }
        true
    }
}

struct Wait {
    node: usize,
    future: Pin<Box<StoppedOwned>>,
    /// The number of its waker.
    waker: usize,
}

/// The real tree beside the model.
struct Pair {
    model: Model,
    log: Log,
    sources: Vec<(usize, StopSource)>,
    /// With its number and its node. A callback that ran at once is not kept: it holds nothing.
    callbacks: Vec<(usize, usize, Callback)>,
    waits: Vec<(usize, Wait)>,
    reasons: Vec<StopReason>,
    next: usize,
}

impl Pair {
    fn new() -> Self {
        let mut model = Model::default();
        model.nodes.push(ModelNode::default());
        Self {
            model,
            log: Log::default(),
            sources: vec![(0, StopSource::new())],
            callbacks: Vec::new(),
            waits: Vec::new(),
            reasons: Vec::new(),
            next: 0,
        }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Child { of, by_token } if !self.sources.is_empty() => {
                let (parent, source) = of.get(&self.sources);
                let child = if by_token {
                    source.token().child()
                } else {
                    source.child()
                };
                let number = self.model.child(*parent);
                self.sources.push((number, child));
            }
            Step::DropSource(which) if !self.sources.is_empty() => {
                self.sources.swap_remove(which.index(self.sources.len()));
            }
            Step::Stop(which) if !self.sources.is_empty() => {
                let (node, source) = which.get(&self.sources);
                let reason = StopReason::new(StopKind::Requested);
                let is_first = self.model.stop(*node, self.reasons.len());
                prop_assert_eq!(source.stop(reason.clone()), is_first);
                self.reasons.push(reason);
            }
            Step::OnStop(which) if !self.sources.is_empty() => {
                let number = self.number();
                let (node, source) = which.get(&self.sources);
                let log = self.log.clone();
                let run = move || log.lock().expect("no panic inside").push(Seen::Ran(number));
                let callback = source.token().on_stop(run);
                let model = &mut self.model.nodes[*node];
                if model.reason.is_some() {
                    self.model.log.push(Seen::Ran(number));
                    prop_assert!(!callback.remove());
                } else {
                    model.callbacks.push(number);
                    self.callbacks.push((number, *node, callback));
                }
            }
            Step::DropCallback(which) if !self.callbacks.is_empty() => {
                let (number, node, callback) = self
                    .callbacks
                    .swap_remove(which.index(self.callbacks.len()));
                let listed = &mut self.model.nodes[node].callbacks;
                let place = listed.iter().position(|other| *other == number);
                prop_assert_eq!(callback.remove(), place.is_some());
                place.map(|place| listed.remove(place));
            }
            Step::Wait(which) if !self.sources.is_empty() => {
                let (number, waker) = (self.number(), self.number());
                let (node, source) = which.get(&self.sources);
                let future = Box::pin(source.token().stopped_owned());
                self.waits.push((
                    number,
                    Wait {
                        node: *node,
                        future,
                        waker,
                    },
                ));
            }
            Step::Poll {
                wait,
                with_new_waker,
            } if !self.waits.is_empty() => {
                let place = wait.index(self.waits.len());
                let new = self.number();
                let (number, wait) = &mut self.waits[place];
                if with_new_waker {
                    wait.waker = new;
                }
                let waker = Waker::from(Arc::new(Logged(wait.waker, self.log.clone())));
                let poll = wait.future.as_mut().poll(&mut Context::from_waker(&waker));
                let node = &mut self.model.nodes[wait.node];
                match (poll, node.reason) {
                    (Poll::Ready(reason), Some(expected)) => {
                        prop_assert!(reason.is_same_as(&self.reasons[expected]));
                        self.waits.swap_remove(place);
                    }
                    (Poll::Pending, None) => {
                        match node.waiters.iter_mut().find(|(other, _)| other == number) {
                            Some(listed) => listed.1 = wait.waker,
                            None => node.waiters.push((*number, wait.waker)),
                        }
                    }
                    (poll, reason) => prop_assert!(false, "{poll:?} where {reason:?} was expected"),
                }
            }
            Step::DropWait(which) if !self.waits.is_empty() => {
                let (number, wait) = self.waits.swap_remove(which.index(self.waits.len()));
                let listed = &mut self.model.nodes[wait.node].waiters;
                listed.retain(|(other, _)| *other != number);
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(&*self.log.lock().expect("no panic inside"), &self.model.log);
        let mut is_live = vec![false; self.model.nodes.len()];
        let held = self.sources.iter().map(|(node, _)| *node);
        let held = held.chain(self.callbacks.iter().map(|(_, node, _)| *node));
        let held = held.chain(self.waits.iter().map(|(_, wait)| wait.node));
        for node in held {
            is_live[node] = true;
        }
        for (number, node) in self.model.nodes.iter().enumerate().rev() {
            if let (true, Some(parent)) = (is_live[number], node.parent) {
                is_live[parent] = true;
            }
        }
        for (node, source) in &self.sources {
            let model = &self.model.nodes[*node];
            let reason = source.reason();
            prop_assert_eq!(source.is_stopped(), model.reason.is_some());
            prop_assert_eq!(reason.is_some(), model.reason.is_some());
            if let (Some(reason), Some(expected)) = (reason, model.reason) {
                prop_assert!(reason.is_same_as(&self.reasons[expected]));
                prop_assert_eq!(
                    source.live_children(),
                    0,
                    "a stopped node knows nobody below"
                );
                continue;
            }
            let live = model.children.iter().filter(|child| is_live[**child]);
            prop_assert_eq!(
                source.live_children(),
                live.count(),
                "memory follows what is held"
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn g2_g4_g5_the_tree_does_what_the_model_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.step(step)?;
            pair.check()?;
        }
    }
}
