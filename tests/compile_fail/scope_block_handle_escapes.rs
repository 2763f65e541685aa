use lenio::block_scope;

fn main() {
    let handle = block_scope(|s| s.spawn(async { 1 }));
    let _ = handle.join();
}
