use lenio::future::concurrent;

#[lenio::main]
async fn main() {
    concurrent(|n| async move {
        let text = String::from("local");
        drop(n.spawn(async { text.len() }));
    })
    .await;
}
