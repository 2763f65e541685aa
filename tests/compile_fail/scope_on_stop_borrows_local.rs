use std::sync::Mutex;

#[lenio::main]
async fn main() {
    let seen = Mutex::new(false);
    let task = lenio::spawn(async {});
    let callback = task.on_stop(|| *seen.lock().unwrap() = true);
    drop(callback);
}
