//! An origin, and clients that ask it through a proxy until that is gone.

use crate::script::{Asked, Kind, read, value, write};
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;

/// Starts an origin that answers what paths ask for; it ends with the process.
pub fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // An error is a proxy that was killed.
            std::thread::spawn(move || answer(&stream).ok());
        }
    });
    address
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, |_| false)? {
        let path = request.head.split(' ').nth(1).unwrap();
        let asked = Asked::parse(path);
        assert!(request.content == asked.upload(), "{path}: the origin got another content than was sent");
        write(&mut stream, &asked.response())?;
        if asked.kind == Kind::Close {
            return Ok(());
        }
    }
    Ok(())
}

/// Asks for one thing after the other on one connection through `proxy`, and notes what came whole, until the connection breaks.
pub fn client(proxy: SocketAddr, origin: SocketAddr, (round, client): (usize, usize), noted: &Sender<Asked>) {
    let Ok(stream) = TcpStream::connect(proxy) else { return };
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(crate::server::PATIENCE)).unwrap();
    let mut reader = BufReader::new(&stream);
    for number in 0.. {
        let asked = Asked::new(round, client, number);
        match ask(&stream, &mut reader, &asked, origin) {
            // The test may have what it wanted.
            Ok(true) => _ = noted.send(asked),
            Ok(false) => return,
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{asked:?}: no answer");
                return;
            }
        }
    }
}

/// True where the last byte of the answer came; what came must be right.
fn ask(
    mut stream: &TcpStream,
    reader: &mut BufReader<&TcpStream>,
    asked: &Asked,
    origin: SocketAddr,
) -> io::Result<bool> {
    write(&mut stream, &asked.request(&origin.to_string()))?;
    let Some(got) = read(reader, |_| !asked.has_content())? else { return Ok(false) };
    assert_eq!(got.head.split(' ').nth(1), Some(&*asked.status().to_string()), "{asked:?}: {}", got.head);
    let framed = ["content-length", "transfer-encoding"].iter().any(|name| value(&got.head, name).is_some());
    assert!(framed || !asked.has_content(), "without a length an end is no end: {}", got.head);
    assert!(got.content == asked.content(), "{asked:?}: another content");
    Ok(true)
}
