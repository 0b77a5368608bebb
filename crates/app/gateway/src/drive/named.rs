//! Ids and times for answers of vendors that give none: the core that writes those answers has neither chance nor clock.

use banjia_types::{RequestId, Timestamp};
use bytes::Bytes;
use memchr::memmem;

/// What the core writes. Inside a JSON text its quotation marks would be escaped, so this can only be the member.
const NO_ID: &[u8] = b"\"id\":\"chatcmpl-unnamed\"";
const NO_TIME: &[u8] = b"\"created\":0,";

/// The same bytes with an id and a time, or the very same bytes when they have both.
pub(super) fn named(bytes: Bytes, request: RequestId, accepted_at: Timestamp) -> Bytes {
    let bytes = match memmem::find(&bytes, NO_ID) {
        Some(_) => replaced(&bytes, NO_ID, &format!("\"id\":\"chatcmpl-{}\"", request.0.simple())),
        None => bytes,
    };
    match memmem::find(&bytes, NO_TIME) {
        Some(_) => replaced(&bytes, NO_TIME, &format!("\"created\":{},", accepted_at.0 / 1000)),
        None => bytes,
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &str) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + to.len());
    let mut rest = 0;
    for at in memmem::find_iter(bytes, from) {
        out.extend_from_slice(&bytes[rest..at]);
        out.extend_from_slice(to.as_bytes());
        rest = at + from.len();
    }
    out.extend_from_slice(&bytes[rest..]);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_has_no_name_gets_one_and_the_rest_stays() {
        let (id, at) = (RequestId(Uuid::from_u128(7)), Timestamp(1_720_483_200_123));
        let bare =
            Bytes::from_static(b"data: {\"id\":\"chatcmpl-unnamed\",\"created\":0,\"x\":\"\\\"created\\\":0,\"}\n\n");
        let named_bytes = named(bare, id, at);
        let text = std::str::from_utf8(&named_bytes).unwrap();
        let expected = "data: {\"id\":\"chatcmpl-00000000000000000000000000000007\",\"created\":1720483200,\"x\":\"\\\"created\\\":0,\"}\n\n";
        assert_eq!(text, expected);
        let whole = Bytes::from_static(b"{\"id\":\"a\",\"created\":5,}");
        assert_eq!(named(whole.clone(), id, at).as_ptr(), whole.as_ptr());
    }
}
