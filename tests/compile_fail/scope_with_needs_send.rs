use lenio::scope_with;
use std::rc::Rc;

#[lenio::main]
async fn main() {
    let shared = Rc::new(1);
    scope_with(1, |s, number| async move {
        drop(s.spawn(async move { *shared + *number }));
    })
    .await;
}
