//! What must be true afterwards, of what was asked, answered, stored and published. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

/// A request to add an item, tried until it was acknowledged or given up. All tries have one key and one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    /// Hexadecimal, 32 digits.
    pub(crate) trace: String,
    pub(crate) user: String,
    pub(crate) product: String,
    pub(crate) quantity: i64,
    /// When it was first sent, in nanoseconds since the Unix epoch.
    pub(crate) sent: u64,
    /// When the 201 was there.
    pub(crate) acknowledged: Option<u64>,
}

/// A record in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) event: String,
    pub(crate) kind: String,
    pub(crate) cart: String,
    pub(crate) product: String,
    pub(crate) quantity: i64,
    pub(crate) trace: String,
}

/// Units by cart and product.
pub(crate) type Carts = BTreeMap<(String, String), i64>;

/// What a consumer makes of the log: each event the first time it appears, in order.
pub(crate) fn distinct(log: &[Record]) -> Vec<&Record> {
    let mut seen = HashSet::new();
    let mut log: Vec<&Record> = log.iter().collect();
    log.sort_by_key(|record| (record.partition, record.offset));
    log.retain(|record| seen.insert(record.event.as_str()));
    log
}

/// Acknowledged ⊆ published, each once; and published is exactly what is in the carts. Returns what is wrong.
pub(crate) fn kept_once(ops: &[Op], carts: &Carts, log: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let by_trace: HashMap<&str, &Op> = ops.iter().map(|op| (op.trace.as_str(), op)).collect();
    let mut published: HashMap<&str, &Record> = HashMap::new();
    let mut told = Carts::new();
    for record in distinct(log) {
        let Record { event, cart, product, quantity, trace, .. } = record;
        let added = record.kind == "item-added";
        *told.entry((cart.clone(), product.clone())).or_default() +=
            if added { *quantity } else { -quantity };
        let Some(op) = by_trace.get(trace.as_str()).filter(|_| added) else {
            wrong.push(format!("nobody asked for the event {event}, trace {trace}"));
            continue;
        };
        if (format!("CART-{}", op.user), &op.product, op.quantity) != (cart.clone(), product, *quantity) {
            wrong.push(format!("the event {record:?} is not what {op:?} asked for"));
        }
        if let Some(before) = published.insert(trace, record) {
            wrong.push(format!("trace {trace} landed twice: events {} and {event}", before.event));
        }
    }
    for op in ops.iter().filter(|op| op.acknowledged.is_some()) {
        if !published.contains_key(op.trace.as_str()) {
            wrong.push(format!("acknowledged and not published: {op:?}"));
        }
    }
    told.retain(|_, quantity| *quantity != 0);
    let places: HashSet<_> = told.keys().chain(carts.keys()).collect();
    for place in places {
        let (stored, told) = (carts.get(place).unwrap_or(&0), told.get(place).unwrap_or(&0));
        if stored != told {
            wrong.push(format!("{} {}: {stored} in the cart, {told} by its events", place.0, place.1));
        }
    }
    wrong
}

/// Whoever was acknowledged before another was sent comes before it, if both are of one cart.
pub(crate) fn in_order(ops: &[Op], log: &[Record]) -> Vec<String> {
    let by_trace: HashMap<&str, &Op> = ops.iter().map(|op| (op.trace.as_str(), op)).collect();
    let mut latest: HashMap<(&str, i32), &Op> = HashMap::new();
    let mut partitions: HashMap<&str, i32> = HashMap::new();
    let mut wrong = Vec::new();
    for record in distinct(log) {
        if *partitions.entry(&record.cart).or_insert(record.partition) != record.partition {
            wrong.push(format!("{} is in more than one partition", record.cart));
        }
        let Some(op) = by_trace.get(record.trace.as_str()) else { continue };
        let latest = latest.entry((&record.cart, record.partition)).or_insert(op);
        if op.acknowledged.is_some_and(|acknowledged| acknowledged < latest.sent) {
            wrong.push(format!("{op:?} was acknowledged before {latest:?} was sent, and is told after it"));
        }
        if op.sent > latest.sent {
            *latest = op;
        }
    }
    wrong
}

/// What was sold and what is left is what there was.
pub(crate) fn sold_and_left(product: &str, seed: i64, left: i64, carts: &Carts) -> Vec<String> {
    let sold: i64 = carts.iter().filter(|((_, sold), _)| sold == product).map(|(_, quantity)| quantity).sum();
    if left >= 0 && sold + left == seed {
        return Vec::new();
    }
    vec![format!("{product}: {sold} sold and {left} left of {seed}")]
}

#[cfg(test)]
mod tests;
