package shop.cart;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;

/**
 * {@code Idempotency-Key}: a request that is sent again lands once, also when it is sent to a pod of another kind: the
 * records in Redis are those of the lab's own pods.
 *
 * <p>Simpler than theirs: a repeated response does not wait for an event that another pod is still publishing.
 */
@Component
class Idempotency {
    /** How long Redis keeps a record. */
    static final Duration LIFETIME = Duration.ofHours(24);
    /** How long a request has its key to itself. What is safe does not depend on it. */
    private static final Duration LEASE = Duration.ofSeconds(3);
    /** One text of visible characters, with or without the quotes of a structured field (RFC 8941 §3.3.3). */
    private static final Pattern KEY = Pattern.compile("(\"?)([!#-\\[\\]-~]{1,128})\\1");

    private final StringRedisTemplate redis;
    private final Carts carts;
    private final ObjectMapper mapper;
    private final Problems problems;

    Idempotency(StringRedisTemplate redis, Carts carts, ObjectMapper mapper, Problems problems) {
        this.redis = redis;
        this.carts = carts;
        this.mapper = mapper;
        this.problems = problems;
    }

    /** A request that is ours to do, as long as the key holds this very record. */
    record Claim(String key, String fingerprint, String record, Function<Object, String> writer) {
        /** The record of the response that a retry is given. */
        String answered(CartController.CartItem item) {
            return answered(HttpStatus.CREATED.value(), item.location().toString(), writer.apply(item));
        }

        String answered(int status, String location, String body) {
            Map<String, Object> response = new HashMap<>();
            response.put("status", status);
            response.put("location", location);
            response.put("body", body);
            return writer.apply(Map.of("wanted", fingerprint, "state", Map.of("answered", response)));
        }
    }

    /** Does the work, or repeats the response of the request that came with the same key before. */
    ResponseEntity<?> once(
            String customer,
            HttpHeaders headers,
            CartController.AddItemRequest request,
            Function<Claim, CartController.CartItem> work) {
        List<String> given = headers.getOrEmpty("Idempotency-Key");
        if (given.isEmpty()) {
            return created(work.apply(null));
        }
        var key = KEY.matcher(given.get(0).trim());
        if (given.size() > 1 || !key.matches()) {
            throw refused(HttpStatus.BAD_REQUEST, "bad-idempotency-key",
                    "Idempotency-Key must be one text of 1 to 128 visible characters, such as a UUID");
        }
        String fingerprint = "POST /cart/items " + request.productId() + " " + request.quantity();
        Claim claim = claim("idempotency:" + customer + ":" + key.group(2), fingerprint);
        if (!Boolean.TRUE.equals(redis.opsForValue().setIfAbsent(claim.key(), claim.record(), LIFETIME))) {
            ResponseEntity<?> before = before(claim);
            if (before != null) {
                return before;
            }
        }
        try {
            return created(work.apply(claim));
        } catch (Problem problem) {
            refuse(claim, problem);
            throw problem;
        }
    }

    private Claim claim(String key, String fingerprint) {
        Map<String, Object> state = Map.of(
                "by", UUID.randomUUID().toString().replace("-", ""),
                "until", System.currentTimeMillis() + LEASE.toMillis());
        String record = write(Map.of("wanted", fingerprint, "state", Map.of("in_progress", state)));
        return new Claim(key, fingerprint, record, this::write);
    }

    /** What came of the request that came first; {@code null} if this one takes it over. */
    private ResponseEntity<?> before(Claim claim) {
        String found = redis.opsForValue().get(claim.key());
        JsonNode record = found == null ? mapper.missingNode() : read(found);
        if (!record.path("wanted").asText(claim.fingerprint()).equals(claim.fingerprint())) {
            throw refused(HttpStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused",
                    "this Idempotency-Key was used for another request: each request needs a key of its own");
        }
        JsonNode answered = record.path("state").path("answered");
        if (answered.isObject()) {
            int status = answered.path("status").asInt();
            var response = ResponseEntity.status(status)
                    .contentType(status < 400 ? MediaType.APPLICATION_JSON : MediaType.APPLICATION_PROBLEM_JSON);
            if (answered.path("location").isTextual()) {
                response.header(HttpHeaders.LOCATION, answered.path("location").asText());
            }
            return response.body(read(answered.path("body").asText()));
        }
        long until = record.path("state").path("in_progress").path("until").asLong();
        boolean expired = found != null && until <= System.currentTimeMillis();
        if (expired && carts.compareAndSet(claim.key(), found, claim.record(), LIFETIME)) {
            return null;
        }
        throw refused(HttpStatus.CONFLICT, "request-in-progress",
                "a request with this Idempotency-Key is in progress: send it again in a moment").retryAfter(1);
    }

    /** A refusal that blames the caller is kept; when we are to blame, the next attempt starts afresh. */
    private void refuse(Claim claim, Problem problem) {
        boolean kept = problem.fault() == Problem.Fault.CLIENT;
        int status = problem.getStatusCode().value();
        String record = kept ? claim.answered(status, null, write(problems.of(problem, "/cart/items"))) : null;
        try {
            carts.compareAndSet(claim.key(), claim.record(), record, LIFETIME);
        } catch (RuntimeException unreachable) {
            // Its lease ends by itself.
        }
    }

    private static ResponseEntity<?> created(CartController.CartItem item) {
        return ResponseEntity.created(item.location()).contentType(MediaType.APPLICATION_JSON).body(item);
    }

    private static Problem refused(HttpStatus status, String kind, String detail) {
        return Problem.client(status, kind, "Idempotency-Key", detail);
    }

    private JsonNode read(String json) {
        try {
            return mapper.readTree(json);
        } catch (JsonProcessingException broken) {
            throw Problem.ours("idempotency-record-broken", "the record of this Idempotency-Key makes no sense");
        }
    }

    private String write(Object json) {
        try {
            return mapper.writeValueAsString(json);
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
