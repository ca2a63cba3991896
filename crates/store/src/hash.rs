//! A hash: a cart is one. Most have a handful of fields, and there are very many of them, so a small one is
//! a plain list: it takes a tenth of the memory of a map, and looking through it is as fast.

use bytes::Bytes;

use crate::ordered::Ordered;

/// The most fields of a list; a hash that outgrew it stays a map. Redis's limit is the same kind of number.
const SMALL: usize = 128;
/// What a field costs in memory besides its bytes: two handles and two allocations.
const FIELD_COST: usize = 112;
/// The same within a map, which also holds the name twice.
const MAP_FIELD_COST: usize = 320;

/// Field → value, in insertion order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hash {
    fields: Fields,
    /// Bytes of all names and values.
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Fields {
    List(Vec<(Bytes, Bytes)>),
    Map(Ordered<Bytes>),
}

impl Default for Fields {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Hash {
    pub(crate) fn len(&self) -> usize {
        match &self.fields {
            Fields::List(list) => list.len(),
            Fields::Map(map) => map.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let cost = if matches!(self.fields, Fields::List(_)) { FIELD_COST } else { MAP_FIELD_COST };
        self.bytes + cost * self.len()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Bytes> {
        match &self.fields {
            Fields::List(list) => list.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            Fields::Map(map) => map.get(name),
        }
    }

    /// Sets a field; says whether it is new.
    ///
    /// The bytes are copied, so that each is one allocation with one owner: what a client sent is also in
    /// the hands of the command that brought it, and sharing costs more than such short words.
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        let value = Bytes::copy_from_slice(value);
        self.bytes += value.len();
        let before = match &mut self.fields {
            Fields::List(list) => match list.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => Some(std::mem::replace(known, value)),
                None => {
                    // Grown by hand: doubling would leave half of a hundred thousand carts empty.
                    list.reserve_exact(1);
                    list.push((Bytes::copy_from_slice(name), value));
                    None
                }
            },
            Fields::Map(map) => map.insert(Bytes::copy_from_slice(name), value),
        };
        match &before {
            Some(before) => self.bytes -= before.len(),
            None => self.bytes += name.len(),
        }
        if let Fields::List(list) = &mut self.fields
            && list.len() > SMALL
        {
            let mut map = Ordered::default();
            for (name, value) in list.drain(..) {
                map.insert(name, value);
            }
            self.fields = Fields::Map(map);
        }
        before.is_none()
    }

    /// Removes a field; says whether there was one.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let removed = match &mut self.fields {
            Fields::List(list) => {
                list.iter().position(|(known, _)| known == name).map(|at| list.remove(at).1)
            }
            Fields::Map(map) => map.remove(name),
        };
        self.bytes -= removed.as_ref().map_or(0, |value| name.len() + value.len());
        removed.is_some()
    }

    /// All fields, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        let (list, map) = match &self.fields {
            Fields::List(list) => (Some(list), None),
            Fields::Map(map) => (None, Some(map)),
        };
        let list = list.into_iter().flatten().map(|(name, value)| (name, value));
        list.chain(map.into_iter().flat_map(|map| map.iter()))
    }

    /// A page of fields; see [`Ordered::scan`]. A list is one page.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &Bytes)>) {
        match &self.fields {
            Fields::List(_) => (0, self.iter().collect()),
            Fields::Map(map) => map.scan(cursor, count),
        }
    }
}

impl PartialEq for Hash {
    /// Same fields in the same order, in whatever form.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
