//! Which threads a value may go to, and whether it may be moved, is part of the interface.

use lenio_net::io::{BufReader, BufWriter, Lines, Take};
use lenio_net::reactor::{EnterGuard, Interest, NoReactor, Reactor, ReactorClosed, Turn};
use lenio_net::signal::{CtrlC, Receiver, Signal};
use lenio_net::tcp::{
    Incoming, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpListener, TcpSocket,
    TcpStream, WriteHalf,
};
use lenio_net::{AsyncFd, NotReady, ReadyGuard, RegisterError};
use std::os::fd::OwnedFd;

fn send<T: Send + ?Sized>() {}
fn sync<T: Sync + ?Sized>() {}
fn unpin<T: Unpin + ?Sized>() {}

/// Fails to compile, because the method is ambiguous, if the type has the trait.
macro_rules! assert_not {
    ($type:ty: $bound:path) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn item() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Has;
            impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::item();
        };
    };
}

assert_not!(EnterGuard: Send);
assert_not!(Turn<'static>: Send);
assert_not!(Incoming<'static>: Unpin);

#[test]
fn values_go_where_they_may() {
    macro_rules! everywhere {
        ($($type:ty),* $(,)?) => { $( send::<$type>(); sync::<$type>(); unpin::<$type>(); )* };
    }
    everywhere!(
        Reactor,
        Interest,
        NoReactor,
        ReactorClosed,
        TcpListener,
        TcpSocket,
        TcpStream,
        ReadHalf<'static>,
        WriteHalf<'static>,
        OwnedReadHalf,
        OwnedWriteHalf,
        ReuniteError,
        AsyncFd<OwnedFd>,
        ReadyGuard<'static, OwnedFd>,
        NotReady,
        RegisterError<OwnedFd>,
        CtrlC,
        Receiver,
        Signal,
        BufReader<TcpStream>,
        BufWriter<TcpStream>,
        Lines<BufReader<TcpStream>>,
        Take<TcpStream>,
    );
    send::<Incoming<'static>>();
    sync::<Incoming<'static>>();
}

#[test]
fn futures_may_change_threads() {
    fn check<T: Send>(_: impl FnOnce(&'static TcpStream) -> T) {}
    check(|stream| stream.read(&mut []));
    check(|stream| stream.write(b""));
    check(|stream| stream.readable());
    check(|_| TcpStream::connect("127.0.0.1:1"));
    check(|_| TcpListener::bind("127.0.0.1:1"));
    fn accept<T: Send>(_: impl FnOnce(&'static TcpListener) -> T) {}
    accept(|listener| listener.accept());
    fn copy<T: Send>(_: impl FnOnce(&'static mut TcpStream, &'static mut TcpStream) -> T) {}
    copy(lenio_net::io::copy);
    copy(lenio_net::io::copy_bidirectional);
}
