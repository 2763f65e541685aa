//! Programs with sockets.

use crate::audit::Audit;
use lenio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use lenio::{StopExt, on_exit, scope, spawn_child};
use std::io;
use std::net::SocketAddr;

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Sends back what it is sent, until the peer has finished, or a stop.
async fn echo(audit: Audit, mut stream: TcpStream) {
    let _item = audit.item();
    let mut buffer = [0; 64];
    while let Ok(Ok(read @ 1..)) = stream.read(&mut buffer).or_stop().await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// One round trip.
async fn visit(audit: Audit, address: SocketAddr) -> io::Result<()> {
    let _item = audit.item();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"anybody there?").await?;
    let mut answer = [0; 14];
    match stream.read_exact(&mut answer).or_stop().await {
        Ok(read) => read?,
        Err(stopped) => return Err(io::Error::other(stopped)),
    }
    assert_eq!(&answer, b"anybody there?");
    Ok(())
}

pub(crate) async fn an_echo_server_with_clients(audit: Audit) {
    scope(|s| async move {
        let (listener, address) = listen().await.expect("a listener");
        let (of_server, inner) = (audit.clone(), s.clone());
        let server = s.spawn(async move {
            while let Ok(Ok((stream, _))) = listener.accept().or_stop().await {
                drop(inner.spawn(echo(of_server.clone(), stream)));
            }
        });
        let clients: Vec<_> = (0..2)
            .map(|_| s.spawn(visit(audit.clone(), address)))
            .collect();
        for client in clients {
            client.await.ok();
        }
        server.stop("closing time");
    })
    .await;
}

pub(crate) async fn a_served_listener(audit: Audit) {
    let (listener, address) = listen().await.expect("a listener");
    let promise = audit.promise("cleanup");
    on_exit(async move { promise.keep() });
    let visits = {
        let audit = audit.clone();
        async move {
            for _ in 0..2 {
                visit(audit.clone(), address).await.ok();
            }
        }
    };
    let of_handler = audit.clone();
    let report = serve(listener, move |stream, _| echo(of_handler.clone(), stream))
        .stop_on(visits)
        .await;
    assert!(report.panicked == 0, "{report}");
}

/// A proxy between a client and a server, of which any may go first.
pub(crate) async fn a_proxy_between_sockets(audit: Audit) {
    let (behind, to) = listen().await.expect("a listener");
    let (front, at) = listen().await.expect("a listener");
    let of_server = audit.clone();
    let server = spawn_child(async move {
        if let Ok(Ok((stream, _))) = behind.accept().or_stop().await {
            echo(of_server, stream).await;
        }
    });
    let of_proxy = audit.clone();
    let proxy = spawn_child(async move {
        let _item = of_proxy.item();
        let Ok(Ok((mut client, _))) = front.accept().or_stop().await else {
            return;
        };
        let Ok(mut server) = TcpStream::connect(to).await else {
            return;
        };
        copy_bidirectional(&mut client, &mut server)
            .or_stop()
            .await
            .ok();
    });
    visit(audit, at).await.ok();
    proxy.stop("the only client has gone");
    proxy.await.ok();
    server.await.ok();
}
