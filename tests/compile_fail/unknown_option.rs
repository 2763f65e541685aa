#[lenio::main(thread = 2)]
async fn main() {}
