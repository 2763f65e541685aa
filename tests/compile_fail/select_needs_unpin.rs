fn main() {
    let _ = lenio::future::select(async {}, async {});
}
