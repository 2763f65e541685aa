use lenio::future::concurrent;

#[lenio::main]
async fn main() {
    let text = String::from("outside");
    concurrent(|n| {
        drop(n.spawn(async { text.len() }));
        drop(lenio::spawn(async { text.len() }));
        async {}
    })
    .await;
}
