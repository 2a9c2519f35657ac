//! The client of Modbus TCP against gateways that answer twice, late, for others, in pieces or not at all.

use dbus_bms::base::hex;
use dbus_bms::bms::modbus_tcp::Ask;
use dbus_bms::link::modbus_tcp::{ModbusFault, ModbusTcp};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const UNIT: u8 = 190;
/// Longer than a local connection needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const ASK: Ask = Ask::Read { first: 0x46, count: 2 };

/// The answer to a request with this transaction, from this unit: two registers.
fn answer(transaction: u16, unit: u8, words: [u16; 2]) -> Vec<u8> {
    let words = words.map(u16::to_be_bytes);
    [&transaction.to_be_bytes()[..], &[0, 0, 0, 7, unit, 3, 4], words.as_flattened()].concat()
}

/// What is sent for a request, in pieces.
type Answers = fn(u16) -> Vec<Vec<u8>>;

/// A gateway that answers so on each of its connections, and the number of bytes that a request has.
async fn gateway(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 12];
                while stream.read_exact(&mut request).await.is_ok() {
                    assert_eq!(hex::encode(&request[2..]), "00000006be0300460002");
                    for piece in answers(u16::from_be_bytes([request[0], request[1]])) {
                        stream.write_all(&piece).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                }
            });
        }
    });
    address
}

fn client(address: SocketAddr, timeout: Duration) -> ModbusTcp {
    ModbusTcp::new(&address.ip().to_string(), address.port(), timeout)
}

#[tokio::test]
async fn answers_that_come_twice_late_for_others_or_in_pieces_are_told_apart() {
    let right = [3, 0x4B5C];
    let cases: [(&str, Answers); 5] = [
        ("as it should", |asked| vec![answer(asked, UNIT, [3, 0x4B5C])]),
        ("twice", |asked| vec![answer(asked, UNIT, [3, 0x4B5C]), answer(asked, UNIT, [9, 9])]),
        ("the one before, late", |asked| vec![answer(asked.wrapping_sub(1), UNIT, [9, 9]), answer(asked, UNIT, [3, 0x4B5C])]),
        ("that of another unit and of another client", |asked| {
            vec![answer(asked, 10, [9, 9]), answer(asked.wrapping_add(700), UNIT, [9, 9]), answer(asked, UNIT, [3, 0x4B5C])]
        }),
        ("byte by byte", |asked| answer(asked, UNIT, [3, 0x4B5C]).into_iter().map(|byte| vec![byte]).collect()),
    ];
    for (name, answers) in cases {
        let mut client = client(gateway(answers).await, PATIENCE);
        // What is left over of one answer must not become the next one.
        for time in 0..3 {
            assert_eq!(client.ask(UNIT, ASK).await.unwrap(), right, "{name}, time {time}");
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_named_and_never_a_value() {
    let only_others: Answers = |asked| (1..9).map(|of| answer(asked.wrapping_add(of), UNIT, [9, 9])).collect();
    let mut asked = client(gateway(only_others).await, PATIENCE);
    assert!(matches!(asked.ask(UNIT, ASK).await, Err(ModbusFault::Answer(_))));
    let another_length: Answers = |asked| vec![[&asked.to_be_bytes()[..], &[0, 0, 0, 5, UNIT, 3, 2, 0, 3]].concat()];
    let mut asked = client(gateway(another_length).await, PATIENCE);
    assert!(matches!(asked.ask(UNIT, ASK).await, Err(ModbusFault::Answer(_))));
    let web_server: Answers = |_| vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()];
    let mut asked = client(gateway(web_server).await, PATIENCE);
    assert!(matches!(asked.ask(UNIT, ASK).await, Err(ModbusFault::Answer(_))));
    let exception: Answers = |asked| vec![[&asked.to_be_bytes()[..], &[0, 0, 0, 3, UNIT, 0x83, 2]].concat()];
    let mut asked = client(gateway(exception).await, PATIENCE);
    assert!(matches!(asked.ask(UNIT, ASK).await, Err(ModbusFault::Exception(2))));
    let nothing: Answers = |_| Vec::new();
    let mut asked = client(gateway(nothing).await, Duration::from_millis(100));
    assert!(matches!(asked.ask(UNIT, ASK).await, Err(ModbusFault::Silent(_))));
}
