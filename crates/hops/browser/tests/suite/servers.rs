//! A resolver that knows one name, and an HTTPS server that answers with the request that it got.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// Both of them, and whom to trust.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) resolver: SocketAddr,
    pub(crate) port: u16,
    pub(crate) ca: PathBuf,
    /// The folder of the certificate, until the last test is over.
    _folder: Arc<tempfile::TempDir>,
}

impl Servers {
    pub(crate) async fn start() -> Servers {
        let folder = tempfile::tempdir().expect("a folder");
        let certified = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).expect("a certificate");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, certified.cert.pem()).expect("writable");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(tlscrypto::provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("the key fits");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(https(listener, TlsAcceptor::from(Arc::new(config))));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let resolver = socket.local_addr().expect("bound");
        tokio::spawn(names(socket));
        Servers { resolver, port, ca, _folder: Arc::new(folder) }
    }

    /// These, to a browser that trusts the others alone.
    pub(crate) fn trusting(&self, others: &Servers) -> Servers {
        Servers { ca: others.ca.clone(), ..self.clone() }
    }
}

/// `shop.test` is here, and nothing else is anywhere.
async fn names(socket: UdpSocket) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
        let mut reply = dnswire::reply_to(&query);
        let name = query.queries[0].name.clone();
        if name.to_ascii() == "shop.test." {
            reply.answers.push(Record::from_rdata(name, 60, RData::A(A(Ipv4Addr::LOCALHOST))));
        } else {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let _ = socket.send_to(&reply.to_vec().expect("encodable"), peer).await;
    }
}

async fn https(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let (io, service) = (TokioIo::new(stream), service_fn(echo));
            let _ = match is_http2 {
                true => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
                false => http1::Builder::new().serve_connection(io, service).await,
            };
        });
    }
}

/// The request line, the body and one field.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let mut text = format!("{} {path} {:?}", request.method(), request.version());
    let word = request.headers().get("x-word").cloned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    for part in [Some(body.to_vec()), word.map(|word| word.as_bytes().to_vec())].into_iter().flatten() {
        if !part.is_empty() {
            text += &format!(" {}", String::from_utf8_lossy(&part));
        }
    }
    Ok(Response::new(Full::new(Bytes::from(text + "\n"))))
}
