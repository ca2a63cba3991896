package shop.cart;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.KafkaException;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.stereotype.Component;

/** What other services are told, in Kafka. */
@Component
class Events {
    private final KafkaTemplate<String, String> kafka;
    private final ObjectMapper mapper;
    private final String topic;

    Events(KafkaTemplate<String, String> kafka, ObjectMapper mapper, @Value("${cart.topic}") String topic) {
        this.kafka = kafka;
        this.mapper = mapper;
        this.topic = topic;
    }

    /** The JSON that consumers read. */
    String json(Event event) {
        try {
            return mapper.writeValueAsString(event);
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Returns when Kafka has the event on disk. If it fails, the event is still in the outbox. */
    void publish(Event event) {
        // By its key, all changes of one cart are in one partition.
        var record = new ProducerRecord<>(topic, null, event.at(), event.cartId(), json(event));
        header(record, "type", event.type());
        header(record, "content-type", "application/json");
        header(record, "traceparent", TraceContext.traceparent());
        try {
            // It ends by the producer's own limits.
            kafka.send(record).get();
        } catch (ExecutionException | KafkaException failure) {
            throw Problem.upstream("kafka-unavailable", "publish the event: " + failure.getMessage()
                    + ". The cart is changed, and its event is published as soon as Kafka is back: look (GET /cart) "
                    + "before you try again without the same Idempotency-Key");
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw Problem.ours("stopping", "the pod stops; the event is published by another");
        }
    }

    private static void header(ProducerRecord<String, String> record, String name, String value) {
        record.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
    }
}
