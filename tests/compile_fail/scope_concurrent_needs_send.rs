use lenio::future::concurrent;
use std::rc::Rc;

#[lenio::main]
async fn main() {
    let shared = Rc::new(1);
    concurrent(|n| {
        drop(n.spawn(async { *shared }));
        async {}
    })
    .await;
}
