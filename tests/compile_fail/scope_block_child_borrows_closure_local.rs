use lenio::block_scope;

fn main() {
    block_scope(|s| {
        let text = String::from("local");
        s.spawn(async { text.len() });
    });
}
