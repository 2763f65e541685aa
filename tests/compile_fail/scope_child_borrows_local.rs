use lenio::scope;

#[lenio::main]
async fn main() {
    let text = String::from("local");
    scope(|s| async move {
        drop(s.spawn(async { text.len() }));
    })
    .await;
}
