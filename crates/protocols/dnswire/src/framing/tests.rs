use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn a_message_may_come_byte_by_byte_and_a_call_may_be_dropped() {
    let (mut far, near) = tokio::io::duplex(1000);
    let mut reading = Frames::new(near);
    let bytes: Vec<u8> =
        ["first", "", "third"].iter().flat_map(|text| framed(text.as_bytes()).unwrap()).collect();
    for byte in bytes {
        let early = timeout(Duration::ZERO, reading.next()).await;
        if let Ok(message) = early {
            assert!(message.unwrap().is_some());
        }
        far.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(reading.next().await.unwrap().as_deref(), Some(&b"third"[..]));
    far.write_all(&[0, 9, 1]).await.unwrap();
    drop(far);
    assert_eq!(reading.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

fn query(name: &str) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    query
}

#[tokio::test]
async fn a_query_gets_its_own_response_and_no_other() {
    let (mut near, mut far) = tokio::io::duplex(1000);
    let ours = query("api.myshop.com.");
    write_query(&mut near, &ours).await.unwrap();
    let seen = Frames::new(&mut far).next().await.unwrap().unwrap();
    assert_eq!(Message::from_vec(&seen).unwrap().queries, ours.queries);
    let mut stray = crate::reply_to(&ours);
    stray.metadata.id ^= 1;
    let mut forged = crate::reply_to(&query("other.myshop.com."));
    forged.metadata.id = ours.id;
    let mut right = crate::reply_to(&ours);
    right.metadata.response_code = ResponseCode::NXDomain;
    for message in [&stray, &forged, &right, &stray] {
        far.write_all(&framed(&message.to_vec().unwrap()).unwrap()).await.unwrap();
    }
    assert_eq!(read_response(&mut near, &ours).await.unwrap().response_code, ResponseCode::NXDomain);
    // What comes after it is still there, untouched.
    assert_eq!(near.read_u16().await.unwrap(), u16::try_from(stray.to_vec().unwrap().len()).unwrap());
}

#[tokio::test]
async fn a_connection_that_closes_without_a_response_says_so() {
    let (mut near, far) = tokio::io::duplex(1000);
    drop(far);
    let error = read_response(&mut near, &query("api.myshop.com.")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
