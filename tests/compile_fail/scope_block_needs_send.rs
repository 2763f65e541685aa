use lenio::block_scope;
use std::rc::Rc;

fn main() {
    let shared = Rc::new(1);
    block_scope(|s| {
        s.spawn(async { *shared });
    });
}
