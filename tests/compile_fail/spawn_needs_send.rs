use std::rc::Rc;

#[lenio::main]
async fn main() {
    let shared = Rc::new(1);
    let _ = lenio::spawn(async move { *shared }).await;
}
