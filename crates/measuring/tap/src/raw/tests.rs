use proptest::prelude::*;

use super::*;

proptest! {
    /// The kernel writes the ring, and nobody else; but if it were not so, nothing bad would happen.
    #[test]
    fn no_block_makes_the_walk_panic(
        mut block in proptest::collection::vec(any::<u8>(), 0..600),
        first in 0_u32..600,
        number in 0_u32..20,
    ) {
        for (at, value) in [(NUMBER, number), (FIRST, first)] {
            if let Some(field) = block.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_ne_bytes());
            }
        }
        frames(&block, &mut |frame| assert!(frame.bytes.len() <= 600));
    }
}
