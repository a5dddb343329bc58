use std::net::{IpAddr, Ipv4Addr};

use koan_core::identity::ServiceKey;
use koan_core::probe::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Relays;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn echo_server() -> Address {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            });
        }
    });
    Address::Tcp { host: LOOPBACK.to_string(), port }
}

/// DET-31: bytes go both ways through a relay that listens on the gateway address alone, and end with it.
#[tokio::test]
async fn relay_carries_bytes_until_it_is_closed() {
    let relays = Relays::default();
    let service = ServiceKey { namespace: "default".to_owned(), name: "shop-db".to_owned() };
    let target = echo_server().await;
    let opened = relays.open(&service, LOOPBACK, &target, None).await.unwrap();
    assert!(opened.new);
    assert_eq!(opened.address.ip(), LOOPBACK);
    let again = relays.open(&service, LOOPBACK, &target, None).await.unwrap();
    assert_eq!((again.address, again.new), (opened.address, false));

    let mut stream = TcpStream::connect(opened.address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");

    relays.close(&service);
    assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
}
