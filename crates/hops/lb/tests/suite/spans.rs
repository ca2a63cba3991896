use hop::http::full;
use hyper::{Request, StatusCode};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span, Stamp, Value};

use crate::support::*;

fn stamp(span: &Span, direction: Direction, event: Event) -> Stamp {
    *span.stamp(direction, event).unwrap_or_else(|| panic!("{direction:?} {event:?} of {span:?}"))
}

/// One trace through client, balancer and upstream, in order and with the same offsets at both ends.
#[tokio::test]
async fn one_server_and_one_client_span_per_request() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    for protocol in ["h2", "http/1.1"] {
        let client = lb.client(rustls::ALL_VERSIONS, &[protocol]);
        let (mut two, mut one) = (None, None);
        if protocol == "h2" {
            two = Some(client.h2().await)
        } else {
            one = Some(client.h1().await)
        }
        for round in 1..=3_u8 {
            let trace = format!("0af7651916cd43dd8448eb211c8031{round:02x}");
            let path = format!("/{}/{round}", protocol.len());
            let request = Request::post(format!("https://{NAME}{path}"))
                .header("host", NAME)
                .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
                .body(full("0123456789"))
                .unwrap();
            let response = match (&mut one, &mut two) {
                (Some(sender), _) => sender.send_request(request).await.unwrap(),
                (_, Some(sender)) => sender.send_request(request).await.unwrap(),
                _ => unreachable!(),
            };
            assert_eq!(response.status(), StatusCode::OK);
            read(response).await;

            let name = format!("POST {path}");
            let servers = lb.spans(Kind::Server, &name, 1).await;
            let clients = lb.spans(Kind::Client, &name, 1).await;
            let look = async || stub.telemetry.take().into_iter().find(|span| span.name == name);
            let behind = hop::wait::until("the upstream's span", LIMIT, look).await.unwrap();
            let ([server], [client]) = (&servers[..], &clients[..]) else { panic!("one of each") };

            assert_eq!(server.trace_id.to_string(), trace);
            assert_eq!(server.parent.unwrap().to_string(), "b7ad6b7169203331");
            assert_eq!((client.trace_id, client.parent), (server.trace_id, Some(server.span_id)));
            assert_eq!((behind.trace_id, behind.parent), (server.trace_id, Some(client.span_id)));
            assert_eq!(server.text(attribute::URL_SCHEME), Some("https"));
            assert_eq!(server.text(attribute::SERVER_ADDRESS), Some(NAME));
            assert_eq!(server.text(attribute::URL_PATH), Some(path.as_str()));
            assert_eq!(server.attribute(attribute::HTTP_REQUEST_RESEND_COUNT), None);
            assert_eq!(client.attribute(attribute::HTTP_RESPONSE_STATUS_CODE), Some(&Value::Int(200)));

            let way = [
                stamp(server, Direction::Request, Event::Wake),
                stamp(client, Direction::Request, Event::Tx),
                stamp(&behind, Direction::Request, Event::Wake),
                stamp(&behind, Direction::Response, Event::Tx),
                stamp(client, Direction::Response, Event::Wake),
                stamp(server, Direction::Response, Event::Tx),
            ];
            assert!(way.is_sorted_by_key(|stamp| stamp.at), "{way:#?}");
            assert_eq!((way[1].flow, way[1].offset), (way[2].flow, way[2].offset));
            assert_eq!((way[3].flow, way[3].offset), (way[4].flow, way[4].offset));
        }
    }
}

#[tokio::test]
async fn what_is_not_sampled_leaves_no_span() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    lb.get("/", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n").await;
    lb.get("/seen", "").await;
    lb.spans(Kind::Server, "GET /seen", 1).await;
    assert!(lb.spans(Kind::Server, "GET /", 0).await.is_empty());
    assert!(stub.telemetry.take().iter().all(|span| span.name == "GET /seen"));
}
