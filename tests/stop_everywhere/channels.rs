//! Programs that talk over channels. What was sent was received, or is left.

use crate::audit::{Audit, Count, Item};
use lenio::future::join;
use lenio::sync::channel::{bounded, broadcast, oneshot, rendezvous, unbounded, watch};
use lenio::sync::stop::Stopped;
use lenio::{StopExt, scope, spawn_child};

pub(crate) async fn producers_and_consumers(audit: Audit) {
    let (sender, receiver) = bounded::<Item>(2);
    let (sent, received) = (Count::default(), Count::default());
    let (all_sent, all_received, left) = (sent.clone(), received.clone(), receiver.clone());
    audit.expect("sent = received + left", move || {
        let mut rest = 0;
        while left.try_recv().is_ok() {
            rest += 1;
        }
        all_sent.get() == all_received.get() + rest
    });
    scope(|s| async move {
        for _ in 0..2 {
            let (audit, sender, sent) = (audit.clone(), sender.clone(), sent.clone());
            let produce = async move {
                for _ in 0..4 {
                    audit.pause().await;
                    if let Ok(Ok(())) = sender.send(audit.item()).or_stop().await {
                        sent.add(1);
                    }
                }
            };
            drop(s.spawn(produce));
        }
        drop(sender);
        for _ in 0..2 {
            let (audit, receiver, received) = (audit.clone(), receiver.clone(), received.clone());
            let consume = async move {
                while let Ok(Ok(_item)) = receiver.recv().or_stop().await {
                    received.add(1);
                    audit.pause().await;
                }
            };
            drop(s.spawn(consume));
        }
        for _ in 0..4 {
            audit.pause().await;
        }
    })
    .await;
}

/// A request is read, worked on, and answered, by one stage each.
pub(crate) async fn a_pipeline_of_requests(audit: Audit) {
    struct Request {
        _item: Item,
        answer: oneshot::Sender<usize>,
    }
    use lenio::sync::channel::oneshot;
    let (read, to_work) = rendezvous::<Request>();
    let (worked, to_answer) = bounded::<(Request, usize)>(1);
    let (asked, settled) = (Count::default(), Count::default());
    let (all_asked, all_settled) = (asked.clone(), settled.clone());
    audit.expect(
        "every request was answered, or its client told",
        move || all_asked.get() == all_settled.get(),
    );
    let stages = scope(|s| async move {
        let at_work = audit.clone();
        drop(s.spawn(async move {
            while let Ok(Ok(request)) = to_work.recv().or_stop().await {
                at_work.pause().await;
                if worked.send((request, 7)).or_stop().await.is_err() {
                    return;
                }
            }
        }));
        let at_answer = audit.clone();
        drop(s.spawn(async move {
            while let Ok(Ok((request, answer))) = to_answer.recv().or_stop().await {
                at_answer.pause().await;
                request.answer.send(answer).ok();
            }
        }));
        for _ in 0..3 {
            let (answer, answered) = lenio::sync::channel::oneshot();
            let request = Request {
                _item: audit.item(),
                answer,
            };
            let (audit, settled, read) = (audit.clone(), settled.clone(), read.clone());
            // The client of each request waits without looking at stops: either end of its channel tells it.
            drop(s.spawn(async move {
                asked_one(&audit, read, request).await;
            }));
            asked.add(1);
            let settle = Settle(settled);
            drop(s.spawn(async move {
                let _settle = settle;
                answered.await.ok();
            }));
        }
        audit.pause().await;
    });
    stages.await;

    async fn asked_one(
        audit: &Audit,
        read: lenio::sync::channel::Sender<Request>,
        request: Request,
    ) {
        audit.pause().await;
        read.send(request).or_stop().await.ok();
    }
}

/// Counts at its end, which is that of the client.
struct Settle(Count);

impl Drop for Settle {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

pub(crate) async fn an_actor_with_answers(audit: Audit) {
    let (ask, asked) = unbounded();
    let heard = Count::default();
    let actor_audit = audit.clone();
    let actor = spawn_child(async move {
        let mut total = 0;
        while let Ok(Ok((n, answer))) = asked.recv().or_stop().await {
            let answer: oneshot::Sender<usize> = answer;
            actor_audit.pause().await;
            total += n;
            answer.send(total).ok();
        }
        drop(asked);
        total
    });
    let mut sum = 0;
    for n in 1..=5 {
        let (answer, answered) = oneshot::channel();
        if ask.send((n, answer)).await.is_err() {
            break;
        }
        match answered.or_stop().await {
            Ok(Ok(total)) => {
                sum += n;
                assert_eq!(total, sum);
                heard.add(1);
            }
            _ => break,
        }
        audit.pause().await;
    }
    drop(ask);
    if let Ok(total) = actor.await {
        assert!(total >= sum, "what was answered was counted");
    }
}

pub(crate) async fn a_watched_configuration(audit: Audit) {
    let (publish, observed) = watch(0);
    scope(|s| async move {
        for _ in 0..3 {
            let (mut observed, audit) = (observed.clone(), audit.clone());
            drop(s.spawn(async move {
                let mut last = 0;
                while let Ok(Ok(())) = observed.changed().or_stop().await {
                    let seen = *observed.borrow_and_update();
                    assert!(seen > last, "versions only grow");
                    last = seen;
                    audit.pause().await;
                }
                // Whoever was not stopped has seen the last one.
                if !observed.is_closed() || last == 5 {
                    return;
                }
                assert!(lenio::check_stop().is_err(), "missed the last version");
            }));
        }
        drop(observed);
        for version in 1..=5 {
            if publish.send(version).is_err() {
                return Ok(());
            }
            audit.pause().or_stop().await?;
        }
        Ok::<_, Stopped>(())
    })
    .await
    .ok();
}

pub(crate) async fn a_broadcast_to_many(audit: Audit) {
    let (news, first) = broadcast::<usize>(8);
    let sum = Count::default();
    scope(|s| async move {
        for reader in 0..3 {
            let (mut news, audit, sum) = (first.resubscribe(), audit.clone(), sum.clone());
            drop(s.spawn(async move {
                let mut last = 0;
                while let Ok(Ok(item)) = news.recv().or_stop().await {
                    assert_eq!(item, last + 1, "reader {reader}: in order, none twice");
                    last = item;
                    sum.add(item);
                    audit.pause().await;
                }
            }));
        }
        drop(first);
        for item in 1..=6 {
            news.send(item).ok();
            if audit.pause().or_stop().await.is_err() {
                return;
            }
        }
    })
    .await;
}

/// Places are reserved before what is to be sent is made.
pub(crate) async fn reserved_places(audit: Audit) {
    let (sender, receiver) = bounded::<Item>(2);
    let probe = (sender.clone(), receiver.clone());
    audit.expect("no place is lost", move || {
        let (sender, receiver) = probe;
        while receiver.try_recv().is_ok() {}
        let places: Vec<_> = (0..2).map_while(|_| sender.try_reserve().ok()).collect();
        places.len() == 2
    });
    let of_receiver = audit.clone();
    let consumer = spawn_child(async move {
        while let Ok(Ok(_item)) = receiver.recv().or_stop().await {
            of_receiver.pause().await;
        }
    });
    let produce = |times| {
        let (sender, audit) = (sender.clone(), audit.clone());
        async move {
            for _ in 0..times {
                let Ok(Ok(place)) = sender.reserve().or_stop().await else {
                    return;
                };
                audit.pause().await;
                if audit.one_in(3) {
                    continue;
                }
                place.send(audit.item()).ok();
            }
        }
    };
    join((produce(4), produce(3))).await;
    consumer.stop("no more comes");
    consumer.await.ok();
}
