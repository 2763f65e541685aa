use lenio::scope;

#[lenio::main]
async fn main() {
    let text = String::from("outside");
    scope(|s| {
        drop(s.spawn(async { text.len() }));
        async {}
    })
    .await;
}
