#[lenio::main(virtual_clock)]
async fn main() {}
