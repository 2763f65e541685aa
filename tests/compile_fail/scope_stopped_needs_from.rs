use lenio::StopExt;

enum Failure {
    OutOfPaper,
}

async fn print() -> Result<(), Failure> {
    std::future::pending::<()>().or_stop().await?;
    Err(Failure::OutOfPaper)
}

#[lenio::main]
async fn main() {
    let _ = print().await;
}
