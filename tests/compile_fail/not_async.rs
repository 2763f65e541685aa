#[lenio::main]
fn main() {}
