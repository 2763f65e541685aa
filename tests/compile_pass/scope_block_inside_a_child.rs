use lenio::{block_scope, scope, spawn_blocking};

#[lenio::main]
async fn main() {
    let sum = scope(|s| async move {
        let child = s.spawn(async {
            let job = spawn_blocking(|| {
                let parts = [20, 22];
                let mut doubled = [0; 2];
                block_scope(|s| {
                    for (part, double) in parts.iter().zip(&mut doubled) {
                        s.spawn(async move { *double = 2 * part });
                    }
                });
                doubled.iter().sum::<i32>()
            });
            job.await.unwrap()
        });
        child.await.unwrap()
    });
    assert_eq!(sum.await, 84);
}
