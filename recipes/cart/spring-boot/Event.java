package shop.cart;

import java.util.UUID;

/**
 * A change of a cart.
 *
 * @param eventId different for each change: a consumer that sees it twice acts once
 * @param quantity how many were added or removed; not how many there are now
 * @param at milliseconds since the Unix epoch
 */
record Event(
        String type, String eventId, String cartId, String itemId, String productId, long quantity, long at) {
    static Event now(String type, String customer, String product, long quantity) {
        String id = UUID.randomUUID().toString().replace("-", "");
        String item = product.replaceFirst("^PROD-", "ITEM-");
        return new Event(type, id, "CART-" + customer, item, product, quantity, System.currentTimeMillis());
    }
}
