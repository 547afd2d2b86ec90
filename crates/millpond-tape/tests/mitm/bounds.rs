//! However large or deep what lies on a tape is, no more than a bounded part of it is held.

use crate::{exchanges, written};
use bytes::Bytes;
use millpond_tape::mitm::{MitmWriter, read_one, tail};
use millpond_tape::{
    Chunk, Content, ReadAt, Recorded, RecordedResponse, TapeError, WebSocket, WebSocketMessage,
};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

const LARGE: u64 = 200 * 1024 * 1024;

fn large(source: Arc<dyn ReadAt>) -> Recorded {
    let content = Some(Content::raw(source, 0, LARGE));
    Recorded { response: Some(RecordedResponse { content, ..Default::default() }), ..Default::default() }
}

#[test]
fn a_body_that_ends_too_early_breaks_the_tape_where_the_writer_says() {
    let short = tempfile::tempfile().unwrap();
    short.set_len(LARGE / 2).unwrap();
    let mut writer = MitmWriter::new(tempfile::tempfile().unwrap());
    let whole = writer.append(&Recorded::default()).unwrap();
    let nothing: Arc<dyn ReadAt> = Arc::new(Bytes::new());
    for exchange in [large(Arc::new(short)), large(nothing), Recorded::default()] {
        assert!(matches!(writer.append(&exchange), Err(TapeError::Io(_))));
    }
    assert_eq!(writer.written(), whole);
    let source: Arc<dyn ReadAt> = Arc::new(writer.into_inner());
    assert_eq!(tail(&source).unwrap(), whole);
}

#[test]
fn what_is_written_comes_in_one_piece_unless_a_body_is_large() {
    #[derive(Default)]
    struct Calls(Vec<usize>);
    impl std::io::Write for Calls {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.push(buf.len());
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut writer = MitmWriter::new(Calls::default());
    let mut exchange = Recorded::default();
    exchange.request.content = Some(Bytes::from(vec![0; 60_000]).into());
    let len = writer.append(&exchange).unwrap();
    assert_eq!(writer.get_ref().0, [len as usize]);
    exchange.request.content = Some(Bytes::from(vec![0; 70_000]).into());
    writer.append(&exchange).unwrap();
    assert!(writer.get_ref().0.len() > 3);
}

#[test]
fn an_exchange_with_too_much_besides_its_bodies_is_refused() {
    let message = WebSocketMessage { content: vec![b'x'; 1024 * 1024], ..Default::default() };
    let websocket = |count| WebSocket { messages: vec![message.clone(); count], ..Default::default() };
    let with = |count| Recorded { websocket: Some(websocket(count)), ..Default::default() };
    assert_eq!(exchanges(written(&[with(15)])).unwrap()[0].websocket, with(15).websocket);
    let mut writer = MitmWriter::new(Vec::new());
    assert!(matches!(writer.append(&with(17)), Err(TapeError::TooLarge { .. })));
    let len = writer.append(&Recorded::default()).unwrap();
    assert_eq!(writer.into_inner().len() as u64, len, "nothing of what was refused is there");
}

#[test]
fn what_is_not_refused_can_be_read_again_also_when_it_is_many_small_things() {
    let message = |n| WebSocket { messages: vec![WebSocketMessage::default(); n], ..Default::default() };
    let chunk = Chunk { after: 0.0, bytes: 0 };
    let many: [&dyn Fn(usize) -> Recorded; 4] = [
        &|n| Recorded { websocket: Some(message(n)), ..Default::default() },
        &|n| Recorded { timing: vec![chunk; n], ..Default::default() },
        &|n| {
            let mut recorded = Recorded::default();
            recorded.metadata.insert("x".to_owned(), vec![Value::Null; n].into());
            recorded
        },
        &|n| {
            let mut recorded = Recorded::default();
            recorded.request.fields = (0..n).map(|_| ("", "")).collect();
            recorded
        },
    ];
    for make in many {
        let fits = |n: usize| MitmWriter::new(Vec::new()).append(&make(n)).is_ok();
        let (mut fit, mut not) = (50_000, 850_000);
        while not - fit > 50_000 {
            let middle = usize::midpoint(fit, not);
            *if fits(middle) { &mut fit } else { &mut not } = middle;
        }
        assert!(fit > 50_000 && not < 850_000, "{fit}");
        assert_eq!(exchanges(written(&[make(fit)])).unwrap().len(), 1);
    }
}

/// A flow whose metadata is `value`, as a tnetstring.
fn with_metadata(value: &str) -> String {
    let request =
        "4:path,1:/,6:method,3:GET,6:scheme,4:http,4:host;1:a;4:port;2:80#".replace("4:path,", "4:path;");
    let request = request.replace("6:method,", "6:method;").replace("6:scheme,", "6:scheme;");
    let metadata = format!("1:x;{value}");
    let inside = format!(
        "7:version;2:21#4:type;4:http;7:request;{}:{request}}}8:metadata;{}:{metadata}}}",
        request.len(),
        metadata.len()
    );
    format!("{}:{inside}}}", inside.len())
}

#[test]
fn deep_metadata_is_refused_and_not_walked() {
    let nested =
        |depth: usize| (0..depth).fold("0:~".to_owned(), |inner, _| format!("{}:{inner}]", inner.len()));
    assert_eq!(exchanges(with_metadata("1:7#")).unwrap()[0].metadata["x"], 7);
    assert!(exchanges(with_metadata(&nested(90))).is_ok());
    for depth in [101, 50_000] {
        let error = exchanges(with_metadata(&nested(depth))).unwrap_err();
        assert!(error.to_string().contains("too deep"), "{error}");
    }
    let mut deep = Value::Null;
    for _ in 0..101 {
        deep = vec![deep].into();
    }
    let mut exchange = Recorded::default();
    exchange.metadata.insert("x".to_owned(), deep);
    assert!(MitmWriter::new(Vec::new()).append(&exchange).is_err());
}

#[test]
fn many_small_values_count_for_what_they_take() {
    let list = "0:~".repeat(1_000_000);
    let error = exchanges(with_metadata(&format!("{}:{list}]", list.len()))).unwrap_err();
    assert!(matches!(error, TapeError::TooLarge { .. }), "{error}");
}

#[test]
fn numbers_of_any_size_are_read_or_refused() {
    for (number, expected) in [
        ("9223372036854775807", serde_json::json!(i64::MAX)),
        ("18446744073709551615", serde_json::json!(u64::MAX)),
        ("36893488147419103232", serde_json::json!(36_893_488_147_419_103_232.0)),
    ] {
        let tape = with_metadata(&format!("{}:{number}#", number.len()));
        assert_eq!(exchanges(tape).unwrap()[0].metadata["x"], expected);
    }
    let long = "1".repeat(70);
    assert!(exchanges(with_metadata(&format!("70:{long}#"))).is_err());
    assert_eq!(exchanges(with_metadata("3:nan^")).unwrap()[0].metadata["x"], Value::Null);
}

#[test]
fn a_body_is_read_from_its_place_even_beside_other_readers() {
    let tape = written(&[Recorded {
        response: Some(RecordedResponse {
            content: Some(Bytes::from_static(b"0123456789").into()),
            ..Default::default()
        }),
        ..Default::default()
    }]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&tape).unwrap();
    let source: Arc<dyn ReadAt> = Arc::<File>::new(file);
    let content = read_one(&source, 0).unwrap().response.unwrap().content.unwrap();
    let (mut first, mut second) = (content.reader(), content.reader());
    let (mut a, mut b) = ([0; 4], String::new());
    first.read_exact(&mut a).unwrap();
    second.read_to_string(&mut b).unwrap();
    assert_eq!((&a, b.as_str()), (b"0123", "0123456789"));
}
