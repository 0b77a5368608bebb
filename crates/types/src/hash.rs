//! Hashes whose values are the same on every machine and in every version.
//!
//! # Rules
//! - Sampling, case numbers and the places of conversations depend on these values. They never
//!   change.
//! - None of these hashes is a secret: anybody can compute one, and find a second input for it.

/// The hash of no bytes: the offset basis of FNV-1a with 64 bits (RFC 9923).
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The prime of FNV-1a with 64 bits (RFC 9923).
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Continues the FNV-1a hash `start` with more bytes. A hash begins with [`FNV_START`].
pub fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Spreads the entropy of a number over all of its bits: the finaliser of SplitMix64.
///
/// FNV-1a barely changes the high bits for a change in the last bytes, and a share that compares
/// hashes by size needs the high bits to differ.
pub const fn spread(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The hash of several parts, which also decides what is in a sample: FNV-1a, then [`spread`].
///
/// Each part is closed with the byte 0xff, so that `ab` and `c` differ from `a` and `bc`. No UTF-8
/// text contains that byte.
pub fn hash_parts(parts: &[&[u8]]) -> u64 {
    spread(parts.iter().fold(FNV_START, |hash, part| fnv1a(fnv1a(hash, part), &[0xff])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_the_published_values() {
        let hashes = ["", "a", "foobar"].map(|text| fnv1a(FNV_START, text.as_bytes()));
        assert_eq!(hashes, [FNV_START, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]);
    }

    #[test]
    fn fnv1a_continues_a_hash() {
        assert_eq!(fnv1a(fnv1a(FNV_START, b"foo"), b"bar"), fnv1a(FNV_START, b"foobar"));
    }

    #[test]
    fn spread_gives_known_values() {
        assert_eq!([1, 0x9e37_79b9_7f4a_7c15].map(spread), [0x5692_161d_100b_05e5, 0xe220_a839_7b1d_cdaf]);
    }

    #[test]
    fn hash_parts_gives_known_values() {
        assert_eq!(hash_parts(&[]), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash_parts(&[b"acme", b"cn-2026"]), 0xebfb_bde8_7136_9ace);
    }

    #[test]
    fn hash_parts_keeps_parts_apart() {
        assert_ne!(hash_parts(&[b"ab", b"c"]), hash_parts(&[b"a", b"bc"]));
    }
}
