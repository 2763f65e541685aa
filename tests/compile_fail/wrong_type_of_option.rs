#[lenio::main(threads = "two")]
async fn main() {}
