#[lenio::main]
struct Main;

fn main() {}
