package shop.cart;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpClient;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.stereotype.Component;
import org.springframework.web.client.HttpClientErrorException;
import org.springframework.web.client.RestClient;
import org.springframework.web.client.RestClientException;

/** The inventory service, over HTTP through its ClusterIP. */
@Component
class Inventory {
    private static final Duration CONNECT = Duration.ofSeconds(1);

    private final RestClient http;

    Inventory(
            @Value("${inventory.url}") String url, @Value("${inventory.timeout.ms:2000}") Duration response) {
        // HTTP/1.1: Java's client would else ask in each first request for an upgrade to HTTP/2.
        HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(CONNECT)
                .build();
        JdkClientHttpRequestFactory factory = new JdkClientHttpRequestFactory(client);
        factory.setReadTimeout(response);
        // Under the agent, this is replaced by its CLIENT span.
        http = RestClient.builder()
                .baseUrl(url)
                .requestFactory(factory)
                .requestInterceptor((request, body, next) -> {
                    request.getHeaders().set("traceparent", TraceContext.traceparent());
                    return next.execute(request, body);
                })
                .build();
    }

    /** Takes units from the stock, under a name that was never used before. */
    void reserve(String product, long quantity, String reservation) {
        try {
            post("/stock/{product}/reservations", Map.of("reservationId", reservation, "quantity", quantity), product);
        } catch (HttpClientErrorException.NotFound none) {
            throw Problem.client(
                    HttpStatus.NOT_FOUND, "unknown-product", "productId", "there is no product " + product);
        } catch (HttpClientErrorException.Conflict few) {
            JsonNode problem = few.getResponseBodyAs(JsonNode.class);
            String detail = problem == null ? "there are too few of " + product : problem.path("detail").asText();
            throw Problem.client(HttpStatus.CONFLICT, "not-enough-stock", "quantity", detail);
        }
    }

    /** Gives back units that were reserved and not kept. If it fails, another pod finds and settles them. */
    void cancel(String product, String reservation) {
        String path = "/stock/{product}/reservations/{reservation}";
        send(() -> http.delete().uri(path, product, reservation).retrieve().toBodilessEntity());
    }

    /** These were kept. */
    void confirm(List<String> reservations) {
        post("/reservations/confirmed", Map.of("reservationIds", reservations));
    }

    /** Takes back what a removal freed: once for each event, however often it is told. */
    void giveBack(Event removed) {
        Map<String, Object> body = Map.of("returnId", removed.eventId(), "quantity", removed.quantity());
        post("/stock/{product}/returns", body, removed.productId());
    }

    private void post(String path, Object body, Object... names) {
        send(() -> http.post()
                .uri(path, names)
                .contentType(MediaType.APPLICATION_JSON)
                .body(body)
                .retrieve()
                .toBodilessEntity());
    }

    private static void send(Supplier<?> request) {
        try {
            request.get();
        } catch (HttpClientErrorException.NotFound | HttpClientErrorException.Conflict said) {
            throw said;
        } catch (RestClientException failure) {
            boolean late = failure.getRootCause() instanceof HttpTimeoutException;
            throw Problem.upstream(
                    late ? HttpStatus.GATEWAY_TIMEOUT : HttpStatus.BAD_GATEWAY,
                    late ? "inventory-timeout" : "inventory-unavailable",
                    "ask the inventory: " + failure.getMessage() + ". Nothing was added: try again");
        }
    }
}
