#[lenio::main(threads = 2, threads = 3)]
async fn main() {}
