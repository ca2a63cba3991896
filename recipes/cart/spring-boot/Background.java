package shop.cart;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import jakarta.annotation.PreDestroy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.stereotype.Component;

/**
 * What is done after the response. None of it is lost with this pod: its note stays in Redis or in the inventory, where
 * the lab's own pods find and finish it.
 */
@Component
class Background {
    private static final Logger LOG = LoggerFactory.getLogger(Background.class);
    /** How many reservations are confirmed in one request. */
    private static final int BATCH = 200;
    /** How many may wait; what is more is settled by the lab's own pods. */
    private static final int KEPT = 10_000;
    /** A trace that nobody records: nothing of this is part of a request's. */
    private static final Context UNRECORDED = Context.root()
            .with(Span.wrap(SpanContext.create(
                    "00000000000000000000000000000001",
                    "0000000000000001",
                    TraceFlags.getDefault(),
                    TraceState.getDefault())));

    private final StringRedisTemplate redis;
    private final Inventory inventory;
    private final LinkedBlockingQueue<String> kept = new LinkedBlockingQueue<>(KEPT);
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();

    Background(StringRedisTemplate redis, Inventory inventory) {
        this.redis = redis;
        this.inventory = inventory;
        thread.scheduleWithFixedDelay(() -> unrecorded("confirm reservations", this::confirm), 1, 1, TimeUnit.SECONDS);
    }

    /** Kafka has it: it leaves the outbox. */
    void published(String customer, String entry) {
        later("empty an outbox", () -> redis.opsForStream().delete("outbox:" + customer, entry));
    }

    /** These units are in a cart: the inventory is told, with others. */
    void kept(String reservation) {
        kept.offer(reservation);
    }

    /** The units of a removal go back to the stock. */
    void removed(Carts.Removal removal) {
        later("give back", () -> {
            inventory.giveBack(removal.event());
            redis.opsForStream().delete("returns", removal.returned());
        });
    }

    @PreDestroy
    void finish() throws InterruptedException {
        later("confirm reservations", this::confirm);
        thread.shutdown();
        thread.awaitTermination(2, TimeUnit.SECONDS);
    }

    private void confirm() {
        List<String> some = new ArrayList<>();
        while (kept.drainTo(some, BATCH) > 0) {
            // Whoever is told of them does not list them as held any more: this note says which they are, should this
            // pod die before their marks are gone.
            redis.opsForHash().putAll("reservations.confirming",
                    some.stream().collect(Collectors.toMap(reservation -> reservation, reservation -> "1")));
            inventory.confirm(some);
            redis.delete(some.stream().map(reservation -> "reservation:" + reservation).toList());
            redis.opsForHash().delete("reservations.confirming", some.toArray());
            some.clear();
        }
    }

    private void later(String what, Runnable work) {
        thread.execute(() -> unrecorded(what, work));
    }

    private static void unrecorded(String what, Runnable work) {
        try (Scope scope = UNRECORDED.makeCurrent()) {
            work.run();
        } catch (RuntimeException failure) {
            LOG.debug("{}: {}", what, failure.getMessage());
        }
    }
}
