#[lenio::main(threads = 2, current_thread)]
async fn main() {}
