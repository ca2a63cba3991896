package shop.cart;

import java.net.URI;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** What happens when someone clicks "Add to Cart". Each request has a thread of Tomcat's, which waits for all of it. */
@RestController
@RequestMapping("/cart")
class CartController {
    private final Inventory inventory;
    private final Carts carts;
    private final Events events;
    private final Idempotency idempotency;
    private final Background background;

    CartController(
            Inventory inventory, Carts carts, Events events, Idempotency idempotency, Background background) {
        this.inventory = inventory;
        this.carts = carts;
        this.events = events;
        this.idempotency = idempotency;
        this.background = background;
    }

    @PostMapping(path = "/items", consumes = MediaType.APPLICATION_JSON_VALUE)
    ResponseEntity<?> addItem(
            @RequestAttribute String customer,
            @RequestHeader HttpHeaders headers,
            @RequestBody AddItemRequest request) {
        // Validate input
        request.validate();

        // A request that is sent again with its Idempotency-Key gets the response that it got the first time.
        return idempotency.once(customer, headers, request, claim -> {
            // Check inventory (calls inventory-service via HTTP), and take the units in the same breath
            String reservation = UUID.randomUUID().toString().replace("-", "");
            inventory.reserve(request.productId(), request.quantity(), reservation);

            // Update cart in Redis: with it, the event goes into the outbox
            Event event = Event.now("item-added", customer, request.productId(), request.quantity());
            CartItem item = new CartItem(event.cartId(), event.itemId(), event.productId());
            String entry = carts.add(customer, reservation, event, claim, item);
            if (entry == null) {
                inventory.cancel(request.productId(), reservation);
                throw Problem.ours("too-slow", "others took the request for dead. Nothing was added: try again");
            }
            background.kept(reservation);

            // Publish event to Kafka
            events.publish(event);
            background.published(customer, entry);

            // Return response
            return item;
        });
    }

    @GetMapping
    Cart getCart(@RequestAttribute String customer) {
        return new Cart("CART-" + customer, carts.items(customer));
    }

    @DeleteMapping("/items/{id}")
    ResponseEntity<Void> removeItem(@RequestAttribute String customer, @PathVariable String id) {
        Carts.Removal removal = id.startsWith("ITEM-") ? carts.remove(customer, "PROD-" + id.substring(5)) : null;
        if (removal == null) {
            throw Problem.client(HttpStatus.NOT_FOUND, "no-such-item", null, "there is no " + id + " in the cart");
        }
        // The units go back to the stock in the background.
        background.removed(removal);
        events.publish(removal.event());
        background.published(customer, removal.entry());
        return ResponseEntity.noContent().build();
    }

    record AddItemRequest(String productId, Long quantity) {
        private static final Pattern PRODUCT = Pattern.compile("PROD-[A-Za-z0-9]{1,32}");
        private static final long MAX_QUANTITY = 99;

        void validate() {
            if (productId == null || !PRODUCT.matcher(productId).matches()) {
                throw invalid("productId", "must be PROD- followed by 1 to 32 letters or digits");
            }
            if (quantity == null || quantity < 1 || quantity > MAX_QUANTITY) {
                throw invalid("quantity", "must be a whole number from 1 to " + MAX_QUANTITY);
            }
        }

        static Problem invalid(String field, String rule) {
            return Problem.client(HttpStatus.UNPROCESSABLE_ENTITY, "invalid-member", field, field + " " + rule);
        }
    }

    /** The response to a POST. */
    record CartItem(String cartId, String itemId, String productId) {
        URI location() {
            return URI.create("/cart/items/" + itemId);
        }
    }

    record Cart(String cartId, List<Line> items) {}

    record Line(String itemId, String productId, long quantity) {}
}
