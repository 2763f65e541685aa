use lenio::future::concurrent_local;
use std::rc::Rc;

#[lenio::main]
async fn main() {
    let shared = Rc::new(1);
    let number = concurrent_local(|n| {
        let child = n.spawn(async { *shared });
        async { child.await.unwrap() }
    });
    assert_eq!(number.await, 1);
}
