use lenio::future::concurrent;

#[lenio::main]
async fn main() {
    let nursery = {
        let text = String::from("inner");
        concurrent(|n| {
            drop(n.spawn(async { text.len() }));
            async move { n }
        })
        .await
    };
    drop(nursery);
}
