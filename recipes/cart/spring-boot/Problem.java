package shop.cart;

import java.net.URI;
import java.util.Locale;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.ProblemDetail;
import org.springframework.web.ErrorResponseException;

/** Why a request was not done (RFC 9457), and who has to change something. */
class Problem extends ErrorResponseException {
    enum Fault {
        /** The caller: the same request will fail again. */
        CLIENT,
        /** A program further down the way. */
        UPSTREAM,
        OURS
    }

    private final Fault fault;
    private final HttpHeaders headers = new HttpHeaders();

    Problem(HttpStatusCode status, Fault fault, String kind, String field, String detail) {
        super(status, ProblemDetail.forStatusAndDetail(status, detail), null);
        this.fault = fault;
        setType(URI.create("urn:journey:problem:" + kind));
        setTitle(kind.replace('-', ' '));
        getBody().setProperty("fault", fault.name().toLowerCase(Locale.ROOT));
        if (field != null) {
            getBody().setProperty("field", field);
        }
    }

    /** @param field the member of the body, or the header, that is wrong; or {@code null} */
    static Problem client(HttpStatus status, String kind, String field, String detail) {
        return new Problem(status, Fault.CLIENT, kind, field, detail);
    }

    static Problem upstream(HttpStatus status, String kind, String detail) {
        return new Problem(status, Fault.UPSTREAM, kind, null, detail).retryAfter(1);
    }

    static Problem upstream(String kind, String detail) {
        return upstream(HttpStatus.SERVICE_UNAVAILABLE, kind, detail);
    }

    static Problem ours(String kind, String detail) {
        return new Problem(HttpStatus.SERVICE_UNAVAILABLE, Fault.OURS, kind, null, detail).retryAfter(1);
    }

    Fault fault() {
        return fault;
    }

    /** The same request may succeed so many seconds later (RFC 9110 §10.2.3). */
    final Problem retryAfter(int seconds) {
        return header(HttpHeaders.RETRY_AFTER, String.valueOf(seconds));
    }

    final Problem header(String name, String value) {
        headers.set(name, value);
        return this;
    }

    @Override
    public HttpHeaders getHeaders() {
        return headers;
    }
}
