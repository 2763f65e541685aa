#[lenio::main(threads)]
async fn main() {}
