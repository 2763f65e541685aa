#[lenio::main]
async fn main(first: u8) {}
