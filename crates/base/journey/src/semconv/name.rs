//! Names of spans and parts that mean something to a reader.

names! {
    /// A TCP connection was opened by a program on the way. Counted.
    CONNECT = "connect";
    /// The client's TCP connection was opened. Counted.
    TCP_HANDSHAKE = "TCP handshake";
    /// Part: from SYN to SYN-ACK, there and back, while a connection was made.
    TCP_ROUND_TRIP = "TCP round trip";
    /// The client's (CLIENT) or the server's (SERVER) side of a TLS handshake. Counted.
    TLS_HANDSHAKE = "TLS handshake";
    /// A layer-4 proxy passed a chunk of bytes on: joined by flow and offset, it needs no attributes.
    RELAY = "relay";
    /// A wait for a worker, or for whoever is in front.
    QUEUE = "queue";
    /// A wait for the disk: `fsync(2)` or `fdatasync(2)`.
    FSYNC = "fsync";
    /// A wait: the client gives no room for more of a response (HTTP/2 flow control, RFC 9113 §5.2).
    FLOW_CONTROL_WINDOW = "flow-control window";
    /// Part: the request was there, and its predecessor on the connection was still being answered.
    PREDECESSOR = "predecessor's response";
    /// Part: the bytes were there and the program was not yet running.
    WAKE_UP = "wake-up";
    /// Part: the bytes were there and their connection was not yet accepted.
    ACCEPT_QUEUE = "accept queue";
    /// Part: the message waited in the sender's kernel (Nagle's algorithm waiting for an acknowledgement, or a
    /// full window), or the request in the load generator for a free connection. In the first case it ends where
    /// the receiver has the message, so the leg itself is in it.
    SEND_QUEUE = "send queue";
}
