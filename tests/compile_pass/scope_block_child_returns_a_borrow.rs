use lenio::block_scope;

fn main() {
    let words = vec![String::from("gentle"), String::from("stop")];
    let longest: &str = block_scope(|s| {
        let child = s.spawn(async { words.iter().max_by_key(|word| word.len()) });
        child.join().unwrap().unwrap()
    });
    assert_eq!(longest, "gentle");
}
