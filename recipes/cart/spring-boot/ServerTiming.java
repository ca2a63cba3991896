package shop.cart;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Locale;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.util.ContentCachingResponseWrapper;

/** {@code Server-Timing}: how long this pod had the request, for {@code curl -i} and a browser's developer tools. */
@Component
class ServerTiming extends OncePerRequestFilter {
    private final String pod;

    ServerTiming(@Value("${otel.service.name:cart}") String pod) {
        this.pod = pod;
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        long begun = System.nanoTime();
        // The body is held back: a header can only be added before it.
        ContentCachingResponseWrapper held = new ContentCachingResponseWrapper(response);
        chain.doFilter(request, held);
        double took = (System.nanoTime() - begun) / 1e6;
        response.addHeader("Server-Timing", String.format(Locale.ROOT, "%s;dur=%.3f", pod, took));
        held.copyBodyToResponse();
    }
}
