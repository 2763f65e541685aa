#[lenio::main]
async fn main() -> Result<(), String> {
    let number: u8 = "1".parse()?;
}
