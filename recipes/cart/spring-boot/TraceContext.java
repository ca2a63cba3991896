package shop.cart;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import java.util.UUID;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

/** The W3C trace context of the request that this thread works on. */
final class TraceContext {
    private TraceContext() {}

    /** The agent's span; without an agent what the caller sent, as a program does that passes headers on. */
    static String traceparent() {
        SpanContext span = Span.current().getSpanContext();
        if (span.isValid()) {
            return "00-" + span.getTraceId() + "-" + span.getSpanId() + "-" + span.getTraceFlags().asHex();
        }
        if (RequestContextHolder.getRequestAttributes() instanceof ServletRequestAttributes request) {
            String received = request.getRequest().getHeader("traceparent");
            if (received != null) {
                return received;
            }
        }
        String random = UUID.randomUUID().toString().replace("-", "");
        return "00-" + random + "-" + random.substring(0, 16) + "-00";
    }
}
