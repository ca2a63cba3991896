//! Keys of span and resource attributes.

names! {
    // Resource, general, network (OpenTelemetry: "Service", "Server", "Network", "Error", "TLS", "Enduser").

    /// The instance that reports, such as `api-7f9c` (resource attribute).
    SERVICE_NAME = "service.name";
    /// Whom a client called: a host name or an IP address.
    SERVER_ADDRESS = "server.address";
    /// The port that a client called.
    SERVER_PORT = "server.port";
    /// The IP address at the other end of the connection.
    NETWORK_PEER_ADDRESS = "network.peer.address";
    /// The port at the other end of the connection.
    NETWORK_PEER_PORT = "network.peer.port";
    /// The version of the protocol, such as `1.1` or `2`.
    NETWORK_PROTOCOL_VERSION = "network.protocol.version";
    /// `tcp` or `udp`.
    NETWORK_TRANSPORT = "network.transport";
    /// Why it failed, in one word; absent when it did not fail.
    ERROR_TYPE = "error.type";
    /// What happened, in one line.
    ERROR_MESSAGE = "error.message";
    /// Who made the request: the token's subject.
    ENDUSER_ID = "enduser.id";
    /// The negotiated version: `1.2` or `1.3`.
    TLS_PROTOCOL_VERSION = "tls.protocol.version";
    /// The cipher suite's name in the IANA registry.
    TLS_CIPHER = "tls.cipher";
    /// The group of the key exchange in the IANA registry, such as `X25519MLKEM768`.
    TLS_CURVE = "tls.curve";
    /// Was a session resumed?
    TLS_RESUMED = "tls.resumed";
    /// What ALPN chose (RFC 7301).
    TLS_NEXT_PROTOCOL = "tls.next_protocol";
    /// The server name that the client indicated (RFC 6066 §3).
    TLS_CLIENT_SERVER_NAME = "tls.client.server_name";

    // HTTP (OpenTelemetry: "HTTP spans", "URL").

    /// The request method, such as `GET`; `_OTHER` for one that is not registered.
    HTTP_REQUEST_METHOD = "http.request.method";
    /// A method that is not registered, as it was written.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original";
    /// Bytes of the request on the connection, TLS included.
    HTTP_REQUEST_SIZE = "http.request.size";
    /// How often the request was sent again; absent when it was not.
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count";
    /// Bytes of the response on the connection, TLS included.
    HTTP_RESPONSE_SIZE = "http.response.size";
    /// The status code, a number.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code";
    /// The template that the path matched.
    HTTP_ROUTE = "http.route";
    /// The path. A SERVER span that has it and no parent begins a trace.
    URL_PATH = "url.path";
    /// What follows the `?`, without secrets; absent when there is none.
    URL_QUERY = "url.query";
    /// `http` or `https`.
    URL_SCHEME = "url.scheme";
    /// All of the URL that a client asked for, without secrets.
    URL_FULL = "url.full";

    // Databases and messaging (OpenTelemetry: "Database spans", "Messaging spans", "Kafka").

    /// Which database: one of OpenTelemetry's well-known values.
    DB_SYSTEM_NAME = "db.system.name";
    /// The command, such as `HGETALL`.
    DB_OPERATION_NAME = "db.operation.name";
    /// How many commands were sent at once; absent for one.
    DB_OPERATION_BATCH_SIZE = "db.operation.batch.size";
    /// Which broker: one of OpenTelemetry's well-known values.
    MESSAGING_SYSTEM = "messaging.system";
    /// The system's own word for the operation.
    MESSAGING_OPERATION_NAME = "messaging.operation.name";
    /// OpenTelemetry's word for it: `send`, `receive`.
    MESSAGING_OPERATION_TYPE = "messaging.operation.type";
    /// The topic's name.
    MESSAGING_DESTINATION_NAME = "messaging.destination.name";
    /// The partition's number, as text.
    MESSAGING_DESTINATION_PARTITION_ID = "messaging.destination.partition.id";
    /// The record's offset in its partition.
    MESSAGING_KAFKA_OFFSET = "messaging.kafka.offset";

    // DNS (OpenTelemetry: "DNS" knows the question's name; the rest is ours).

    /// The name in the question.
    DNS_QUESTION_NAME = "dns.question.name";
    /// The type in the question, such as `A`.
    DNS_QUESTION_TYPE = "journey.dns.question.type";
    /// The response code's mnemonic (IANA registry "DNS RCODEs").
    DNS_RESPONSE_CODE = "journey.dns.response_code";
    /// The id in the message's header (RFC 1035 §4.1.1).
    DNS_ID = "journey.dns.id";
    /// The smallest TTL of the response, in seconds.
    DNS_ANSWER_TTL = "journey.dns.answer.ttl";
    /// `hit` or `miss`.
    DNS_CACHE = "journey.dns.cache";
    /// How many queries a resolver sent for this one.
    DNS_UPSTREAM_QUERIES = "journey.dns.upstream.queries";
    /// How often the query was sent again; absent when it was not.
    DNS_RESEND_COUNT = "journey.dns.resend_count";

    // What a journey is put together from (ours).

    /// How many requests before this one were not recorded, because more came than are recorded in a second; absent
    /// when none was.
    PASSED_OVER = "journey.passed_over";
    /// How many things a SERVER span's program will do on account of the request without the response waiting for them; for
    /// each, a span has a link to this one. Absent when there are none.
    DEFERRED = "journey.deferred";
    /// What kind of part an INTERNAL span is: `self` (when absent), `wait`, `leg` or `opaque`.
    PART = "journey.part";
    /// Which line of the time budget a client's own span belongs to: `dns`, `tcp`, `tls`, …
    STAGE = "journey.stage";
    /// The journey's total by the client's monotonic clock, in nanoseconds; on its root span.
    TOTAL_NS = "journey.total_ns";
    /// Was the connection of a CLIENT span there already?
    CONNECTION_REUSED = "journey.connection.reused";
    /// `true` when the kernel had not sent all of the message when the write was over (Nagle's algorithm, RFC 1122
    /// §4.2.3.4, or a full window).
    SEND_HELD = "journey.held";
    /// The span of a connection that was made: from its beginning until connect(2) was called, in nanoseconds.
    CONNECT_CALLED_NS = "journey.connect.called_ns";
    /// … and how long it took from SYN to SYN-ACK, as the kernel measured it (`tcpi_rtt` of `TCP_INFO`), in nanoseconds.
    CONNECT_ROUND_TRIP_NS = "journey.connect.round_trip_ns";
    /// … and from its beginning until the program, which waited for that, was running again, in nanoseconds; absent when it
    /// did not wait: SYN-ACK was there before.
    CONNECT_WOKEN_NS = "journey.connect.woken_ns";
    /// A SERVER span's request came while its predecessor on the connection was still being answered (HTTP/1.1 pipelining,
    /// RFC 9112 §9.3.2): until when, in nanoseconds since the Unix epoch.
    PREDECESSOR_UNTIL = "journey.predecessor.until";
    /// How many bytes of the stream a layer-4 proxy's RELAY span or a SERVER span is about: those up to the offset of its
    /// `wake`. Without it, it may be about all bytes before that.
    READ_SIZE = "journey.read.size";
    /// A layer-4 proxy's CONNECT span: the flow that it accepted, in the form of [`Flow`](crate::Flow).
    FLOW_IN = "journey.flow.in";
    /// … and the flow that it opened for it.
    FLOW_OUT = "journey.flow.out";
    /// The endpoint that a layer-4 proxy chose.
    ENDPOINT = "journey.endpoint";
    /// The policy by which a proxy chose the endpoint.
    POLICY = "journey.policy";
    /// The Service that a layer-7 proxy's rule names.
    SERVICE = "journey.service";
}
