//! A hash: a cart is one. Most have a handful of short fields, and there are very many of them, so a small one
//! is a plain list in one piece: it takes a tenth of the memory of a map, and looking through it is as fast.

use bytes::Bytes;

use crate::listpack::Listpack;
use crate::ordered::Ordered;

/// A field and its value.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// The most fields of a list, and its longest word; a hash that outgrew it stays a map. Redis's limits.
const SMALL: usize = 128;
const LONGEST_WORD: usize = 64;
/// What a list costs in memory besides its words, and what a field of a map does: handles and allocations.
const LIST_COST: usize = 16;
const MAP_FIELD_COST: usize = 320;

/// Field → value, in insertion order.
#[derive(Clone, Debug)]
pub(crate) enum Hash {
    /// Names and values in turn.
    List(Listpack),
    Map(Box<Map>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    fields: Ordered<Bytes>,
    /// Bytes of all names and values.
    bytes: usize,
}

impl Default for Hash {
    fn default() -> Self {
        Self::List(Listpack::default())
    }
}

impl Hash {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.iter().count() / 2,
            Self::Map(map) => map.fields.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::List(list) => list.size() == 0,
            Self::Map(map) => map.fields.len() == 0,
        }
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::List(list) => list.size() + LIST_COST,
            Self::Map(map) => map.bytes + MAP_FIELD_COST * map.fields.len(),
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match self {
            Self::List(_) => self.iter().find(|(known, _)| *known == name).map(|(_, value)| value),
            Self::Map(map) => map.fields.get(name).map(|value| &value[..]),
        }
    }

    /// Sets a field; says whether it is new.
    ///
    /// The bytes are copied: what a client sent is also in the hands of the command that brought it, and
    /// sharing costs more than such short words.
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        if let Self::List(list) = self {
            if name.len() <= LONGEST_WORD && value.len() <= LONGEST_WORD {
                if let Some((_, at)) = field(list, name) {
                    list.replace(at, value);
                    return false;
                }
                if list.iter().count() < 2 * SMALL {
                    list.push(name);
                    list.push(value);
                    return true;
                }
            }
            let mut map = Map::default();
            for (name, value) in self.iter() {
                map.insert(name, value);
            }
            *self = Self::Map(Box::new(map));
        }
        match self {
            Self::List(_) => false, // it has just become a map
            Self::Map(map) => map.insert(name, value),
        }
    }

    /// Removes a field; says whether there was one.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        match self {
            Self::List(list) => {
                let place = field(list, name);
                place.inspect(|(at, _)| list.remove(*at, 2)).is_some()
            }
            Self::Map(map) => {
                let removed = map.fields.remove(name);
                map.bytes -= removed.as_ref().map_or(0, |value| name.len() + value.len());
                removed.is_some()
            }
        }
    }

    /// All fields, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        let (list, map) = match self {
            Self::List(list) => (Some(list), None),
            Self::Map(map) => (None, Some(map)),
        };
        let mut words = list.into_iter().flat_map(Listpack::iter);
        let list = std::iter::from_fn(move || Some((words.next()?, words.next()?)));
        list.chain(
            map.into_iter().flat_map(|map| map.fields.iter().map(|(name, value)| (&name[..], &value[..]))),
        )
    }

    /// A page of fields; see [`Ordered::scan`]. A list is one page.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<Field<'_>>) {
        match self {
            Self::List(_) => (0, self.iter().collect()),
            Self::Map(map) => {
                let (next, page) = map.fields.scan(cursor, count);
                (next, page.into_iter().map(|(name, value)| (&name[..], &value[..])).collect())
            }
        }
    }
}

impl Map {
    fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.bytes += value.len();
        match self.fields.insert(Bytes::copy_from_slice(name), Bytes::copy_from_slice(value)) {
            Some(before) => {
                self.bytes -= before.len();
                false
            }
            None => {
                self.bytes += name.len();
                true
            }
        }
    }
}

/// Where a field's name and value stand.
fn field(list: &Listpack, name: &[u8]) -> Option<(usize, usize)> {
    let mut words = list.positions();
    while let (Some((at, known)), Some((value, _))) = (words.next(), words.next()) {
        if known == name {
            return Some((at, value));
        }
    }
    None
}

impl PartialEq for Hash {
    /// Same fields in the same order, in whatever form.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
