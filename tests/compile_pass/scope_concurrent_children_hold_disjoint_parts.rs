use lenio::future::concurrent;

#[lenio::main]
async fn main() {
    let mut numbers = [1, 2];
    let mut text = String::new();
    let (left, right) = numbers.split_at_mut(1);
    concurrent(|n| {
        drop(n.spawn(async { left[0] += 1 }));
        drop(n.spawn(async { right[0] += 1 }));
        drop(n.spawn(async { text.push('a') }));
        async {}
    })
    .await;
    assert_eq!((numbers, &*text), ([2, 3], "a"));
}
