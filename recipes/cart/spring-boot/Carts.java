package shop.cart;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.springframework.data.redis.connection.stream.RecordId;
import org.springframework.data.redis.connection.stream.StreamRecords;
import org.springframework.data.redis.core.RedisOperations;
import org.springframework.data.redis.core.SessionCallback;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.stereotype.Component;

/**
 * Carts in Redis: one hash {@code cart:<customer>} each, from product to quantity, in the keys of the lab's own pods.
 *
 * <p>What belongs together changes in one transaction, or nothing does: the line of the cart, the event that others are
 * told (in the cart's outbox), the mark that the reserved units are kept, and the response that a retry is given.
 */
@Component
class Carts {
    /** How often a removal begins again because the cart changed under it. */
    private static final int ATTEMPTS = 20;

    private final StringRedisTemplate redis;
    private final Events events;

    Carts(StringRedisTemplate redis, Events events) {
        this.redis = redis;
        this.events = events;
    }

    /** What a removal left to be done: its event, where that is in the outbox, and where in {@code returns}. */
    record Removal(Event event, String entry, String returned) {}

    /** All lines of a cart, sorted by product; an unknown cart has none. */
    List<CartController.Line> items(String customer) {
        Map<String, String> lines = new TreeMap<>(redis.<String, String>opsForHash().entries("cart:" + customer));
        return lines.entrySet().stream()
                .filter(line -> line.getKey().startsWith("PROD-"))
                .map(line -> new CartController.Line(
                        "ITEM-" + line.getKey().substring(5), line.getKey(), Long.parseLong(line.getValue())))
                .toList();
    }

    /**
     * Adds the event's units to a cart's line, and returns where the event is in the outbox; {@code null} if nothing
     * was changed, because others took the request for dead and ended the reservation, or took the request over.
     *
     * @param claim the request's Idempotency-Key, or {@code null}
     */
    String add(
            String customer,
            String reservation,
            Event event,
            Idempotency.Claim claim,
            CartController.CartItem response) {
        String mark = "reservation:" + reservation;
        return onOneConnection(() -> {
            redis.watch(claim == null ? List.of(mark) : List.of(mark, claim.key()));
            boolean ended = redis.opsForValue().get(mark) != null;
            if (ended || claim != null && !claim.record().equals(redis.opsForValue().get(claim.key()))) {
                redis.unwatch();
                return null;
            }
            redis.multi();
            append("outbox:" + customer, event);
            redis.opsForHash().put("outboxes", customer, "1");
            redis.opsForHash().increment("cart:" + customer, event.productId(), event.quantity());
            redis.opsForValue().set(mark, "kept");
            if (claim != null) {
                redis.opsForValue().set(claim.key(), claim.answered(response), Idempotency.LIFETIME);
            }
            List<Object> replies = redis.exec();
            return replies == null || replies.isEmpty() ? null : id(replies.get(0));
        });
    }

    /** Takes a line out of a cart, however many units there are; {@code null} if there is no such line. */
    Removal remove(String customer, String product) {
        String cart = "cart:" + customer;
        return onOneConnection(() -> {
            for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
                redis.watch(cart);
                Object quantity = redis.opsForHash().get(cart, product);
                if (quantity == null) {
                    redis.unwatch();
                    return null;
                }
                Event event = Event.now("item-removed", customer, product, Long.parseLong(quantity.toString()));
                redis.multi();
                append("outbox:" + customer, event);
                append("returns", event);
                redis.opsForHash().put("outboxes", customer, "1");
                redis.opsForHash().delete(cart, product);
                List<Object> replies = redis.exec();
                if (replies != null && !replies.isEmpty()) {
                    return new Removal(event, id(replies.get(0)), id(replies.get(1)));
                }
            }
            throw Problem.upstream("redis-unavailable", "the cart changed all the time: try again");
        });
    }

    /** Writes a value ({@code null}: nothing) if the key still holds the expected one; says whether it did. */
    boolean compareAndSet(String key, String expected, String value, Duration lifetime) {
        return onOneConnection(() -> {
            redis.watch(key);
            if (!expected.equals(redis.opsForValue().get(key))) {
                redis.unwatch();
                return false;
            }
            redis.multi();
            if (value == null) {
                redis.delete(key);
            } else {
                redis.opsForValue().set(key, value, lifetime);
            }
            List<Object> replies = redis.exec();
            return replies != null && !replies.isEmpty();
        });
    }

    /** WATCH, MULTI and EXEC mean a connection. */
    private <T> T onOneConnection(Supplier<T> work) {
        return redis.execute(new SessionCallback<>() {
            @Override
            public <K, V> T execute(RedisOperations<K, V> bound) {
                return work.get();
            }
        });
    }

    private void append(String stream, Event event) {
        Map<String, String> fields = Map.of("event", events.json(event), "traceparent", TraceContext.traceparent());
        redis.opsForStream().add(StreamRecords.string(fields).withStreamKey(stream));
    }

    private static String id(Object reply) {
        return reply instanceof RecordId id ? id.getValue() : reply.toString();
    }
}
