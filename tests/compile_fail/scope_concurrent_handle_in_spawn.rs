use lenio::future::concurrent;

#[lenio::main]
async fn main() {
    let text = String::from("outside");
    concurrent(|n| {
        let child = n.spawn(async { text.as_str() });
        drop(lenio::spawn(child));
        async {}
    })
    .await;
}
