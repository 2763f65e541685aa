//! hyper's server and client over lenio's streams.

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, ReadBuf, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response};
use lenio::compat::hyper::{HyperExecutor, HyperIo, HyperTimer};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use std::error::Error;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

async fn connection(stream: TcpStream) {
    let echo = |request: Request<Incoming>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::new(Full::new(body)))
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(HyperTimer::new())
        .pipeline_flush(true)
        .serve_connection(HyperIo::new(stream), service_fn(echo))
        .await;
    assert!(served.is_ok(), "{served:?}");
}

async fn exchange(address: SocketAddr, bodies: &[&[u8]]) -> Outcome<()> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(HyperIo::new(stream)).await?;
    HyperExecutor::new().execute(async {
        let _ = connection.await;
    });
    for body in bodies {
        let request = Request::post("/")
            .header("host", "test")
            .body(Full::new(Bytes::copy_from_slice(body)))?;
        let answer = sender.send_request(request).await?;
        assert_eq!(answer.status(), 200);
        let echoed = answer.into_body().collect().await?.to_bytes();
        assert!(
            echoed == *body,
            "{} bytes came back as {}",
            body.len(),
            echoed.len()
        );
    }
    Ok(())
}

#[lenio::test]
async fn requests_small_and_large_come_back_on_one_connection() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let client = lenio::spawn(async move {
        let large: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        exchange(address, &[b"", b"small", &large, b"small again"]).await
    });
    let (tell, told) = mpsc::channel();
    let report = serve(listener, |stream, _peer| connection(stream))
        .stop_on(async move {
            let _ = tell.send(client.await);
        })
        .await;
    let outcome = told.recv().expect("the client ended");
    assert!(matches!(outcome, Ok(Ok(()))), "{outcome:?}");
    assert_eq!((report.accepted, report.panicked), (1, 0), "{report}");
    Ok(())
}

#[lenio::test]
async fn reading_fills_no_more_than_arrived_and_writing_gathers() -> io::Result<()> {
    use hyper::rt::{Read, Write};

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    let (mut client, mut server) = (HyperIo::new(client), HyperIo::new(server));

    assert!(client.is_write_vectored());
    let slices = [
        IoSlice::new(b"one, "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    let written = poll_fn(|cx| Pin::new(&mut client).poll_write_vectored(cx, &slices)).await?;
    assert_eq!(written, 8, "both slices in one call");

    let mut memory = [MaybeUninit::uninit(); 64];
    let mut buffer = ReadBuf::uninit(&mut memory);
    poll_fn(|cx| Pin::new(&mut server).poll_read(cx, buffer.unfilled())).await?;
    assert_eq!(buffer.filled(), b"one, two");

    poll_fn(|cx| Pin::new(&mut client).poll_shutdown(cx)).await?;
    let mut buffer = ReadBuf::uninit(&mut memory);
    poll_fn(|cx| Pin::new(&mut server).poll_read(cx, buffer.unfilled())).await?;
    assert!(
        buffer.filled().is_empty(),
        "the end of the stream is an empty read"
    );
    Ok(())
}

#[lenio::test(virtual_clock)]
async fn hyper_s_timer_follows_the_clock_of_the_runtime() {
    let timer = HyperTimer::new();
    let start = timer.now();
    timer.sleep(Duration::from_secs(3600)).await;
    assert!(timer.now() - start >= Duration::from_secs(3600));

    let mut sleep = timer.sleep_until(start);
    timer.reset(&mut sleep, start + Duration::from_secs(7200));
    sleep.await;
    assert!(timer.now() - start >= Duration::from_secs(7200));
}

#[lenio::test(virtual_clock)]
async fn a_client_that_sends_no_header_is_dropped_by_hyper_s_timeout() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let _silent = TcpStream::connect(listener.local_addr()?).await?;
    let (stream, _) = listener.accept().await?;
    let refuse = |_: Request<Incoming>| async {
        Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(HyperTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(HyperIo::new(stream), service_fn(refuse))
        .await;
    assert!(served.is_err_and(|error| error.is_timeout()));
    Ok(())
}
