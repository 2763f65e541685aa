use lenio::scope;
use std::rc::Rc;

#[lenio::main]
async fn main() {
    let shared = Rc::new(1);
    scope(|s| async move {
        drop(s.spawn(async move { *shared }));
    })
    .await;
}
