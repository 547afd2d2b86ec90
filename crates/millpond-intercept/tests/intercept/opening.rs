//! What a tunnel begins with.

use millpond_intercept::{Opening, opening};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const LIMIT: Duration = Duration::from_secs(5);

/// What these are the beginning of, sent in one piece and byte by byte, and then either closed or not.
async fn judged(bytes: &[u8], piece: usize, close: bool) -> Opening {
    let (mut theirs, ours) = duplex(64 * 1024);
    let send = async {
        for part in bytes.chunks(piece) {
            theirs.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        if close {
            theirs.shutdown().await.unwrap();
        }
        theirs
    };
    let ((found, mut rewound), theirs) = tokio::join!(opening(ours, LIMIT), send);
    drop(theirs);
    let mut again = Vec::new();
    rewound.read_to_end(&mut again).await.unwrap();
    assert_eq!(again, bytes, "nothing may be lost");
    found
}

#[tokio::test(start_paused = true)]
async fn the_first_bytes_tell() {
    let long = [&b"GET /"[..], &[b'a'; 5000], b" HTTP/1.1\r\n\r\n"].concat();
    let method = [b'A'; 100];
    for (bytes, expected) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00"[..], Opening::Tls),
        (b"\x16\x03\x03", Opening::Tls),
        (b"\x16\x02\x00", Opening::Other),
        (b"\x80\x2e\x01\x00\x02", Opening::Other),
        (b"GET / HTTP/1.1\r\n\r\n", Opening::Http),
        (&long, Opening::Http),
        (b"\r\nPOST /x HTTP/1.1\r\n", Opening::Http),
        (b"OPTIONS * HTTP/1.1\r\n", Opening::Http),
        (b"M-SEARCH * HTTP/1.1\r\n", Opening::Http),
        (b"GET http://a.example/ HTTP/1.1\r\n", Opening::Http),
        (b"CONNECT b.example:443 HTTP/1.1\r\n", Opening::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Opening::Http),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Opening::Other),
        (b"EHLO mail.example\r\n", Opening::Other),
        (b"NICK someone\r\n", Opening::Other),
        (b" / HTTP/1.1\r\n", Opening::Other),
        (b"\0\0\0\0", Opening::Other),
        (&method, Opening::Other),
        (&[b'\r'; 100], Opening::Other),
        // Cut before it could be told.
        (b"\x16", Opening::Other),
        (b"GET", Opening::Other),
    ] {
        for piece in [1, 3, bytes.len()] {
            for close in [true, false] {
                assert_eq!(judged(bytes, piece, close).await, expected, "{bytes:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_silence_or_the_end() {
    let (theirs, ours) = duplex(64);
    let start = tokio::time::Instant::now();
    assert_eq!(opening(ours, LIMIT).await.0, Opening::Silent);
    assert_eq!(start.elapsed(), LIMIT);
    drop(theirs);
    let (theirs, ours) = duplex(64);
    drop(theirs);
    assert_eq!(opening(ours, LIMIT).await.0, Opening::Closed);
}

#[tokio::test]
async fn what_was_looked_at_is_read_again_in_any_pieces() {
    let (mut theirs, ours) = duplex(4096);
    theirs.write_all(b"GET /one/two/three/four/five/six HTTP/1.1\r\n").await.unwrap();
    let (_, mut rewound) = opening(ours, LIMIT).await;
    let mut first = [0; 5];
    rewound.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"GET /");
    rewound.write_all(b"answer").await.unwrap();
    let mut answer = [0; 6];
    theirs.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    let (kept, mut io) = rewound.into_parts();
    drop(theirs);
    let mut rest = kept.to_vec();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"one/two/three/four/five/six HTTP/1.1\r\n");
}
