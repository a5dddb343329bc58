//! Answers in gzip, as the reference packs them (responsewriters/writers.go, gziphandler): whole answers alone, never a stream.
//!
//! A client that takes gzip has objects, lists, Tables and discovery in it where they are long, and OpenAPI v2 nearly always;
//! OpenAPI v3 is never packed. Packing happens beside the workers that answer, a few answers at a time.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};
use tokio::sync::Semaphore;

use super::Body;

/// The longest answer that is sent as it is.
const PLAIN_BYTES: usize = 128 * 1024;
/// The shortest OpenAPI v2 document that is packed: a shorter one fills no packet.
const DOCUMENT_BYTES: usize = 1_400;
/// The level of the compression, from 0 to 10: little processor time for most of the gain.
const LEVEL: i32 = 1;
/// Deflate without a frame of its own.
const BARE: i32 = 0;
/// How many answers are packed at a time, each with a third of a megabyte beside what it reads and writes.
static AT_A_TIME: Semaphore = Semaphore::const_new(4);

/// What a gzip file begins with: its mark, deflate, no flags, no time, the fastest level, a system that nobody names.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// When an answer is packed for a client that takes gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Where it is long.
    Long,
    /// A document that is asked for rarely and read again from the client's own copy; its client may weigh encodings.
    Document,
    Never,
}

impl Packing {
    /// Whether an answer of so many bytes is packed for a client that sent `headers`.
    fn packs(self, headers: &HeaderMap, length: usize) -> bool {
        let accepted = || headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match self {
            Self::Long => length > PLAIN_BYTES && accepted().split(',').any(|coding| coding.trim() == "gzip"),
            Self::Document => length >= DOCUMENT_BYTES && accepted().split(',').any(weighs_gzip),
            Self::Never => false,
        }
    }
}

/// Whether one coding of `Accept-Encoding` is gzip with a weight above 0.
fn weighs_gzip(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f64>().ok());
    named && weight.is_none_or(|weight| weight > 0.0)
}

/// `answer`, in gzip where `packing` says so and its client, which sent `headers`, takes it.
pub(crate) async fn packed(mut answer: Response<Body>, packing: Packing, headers: &HeaderMap) -> Response<Body> {
    if packing == Packing::Document {
        answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let Some(whole) = answer.body().whole().filter(|whole| packing.packs(headers, whole.len())) else { return answer };
    // Nobody closes it. The permit goes with the work, which a client that leaves does not end.
    let Ok(permit) = AT_A_TIME.acquire().await else { return answer };
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        gzip(&whole)
    });
    let Ok(Some(bytes)) = work.await else { return answer };
    *answer.body_mut() = Body::full(bytes);
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if packing == Packing::Long {
        answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    answer
}

/// `bytes` as a gzip file; `None` where they cannot be packed, which is a bug.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(bytes.len() / 4);
    out.extend_from_slice(&HEAD);
    let mut compressor = Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, BARE, 0)));
    let (_, taken) = compress_to_output(&mut compressor, bytes, TDEFLFlush::Finish, |piece| {
        out.extend_from_slice(piece);
        true
    });
    // The format counts modulo 2^32.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).ok()?;
    out.extend_from_slice(&sum(bytes).to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    (taken == bytes.len()).then(|| Bytes::from(out))
}

/// CRC-32 as gzip has it.
fn sum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| TABLE[usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8))
}

/// The remainder of each byte by the polynomial of CRC-32.
const TABLE: [u32; 256] = {
    /// The polynomial, its lowest term first.
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { POLYNOMIAL ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(coding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(coding))])
    }

    /// Section 4 (gzip): only what is longer than 128 KiB is packed, for a client that names gzip without a weight.
    #[test]
    fn long_answers_are_packed_for_those_who_name_gzip() {
        let packs = |coding, length| Packing::Long.packs(&asks(coding), length);
        assert!(packs("gzip", PLAIN_BYTES + 1) && packs("deflate, gzip ,br", PLAIN_BYTES + 1));
        assert!(!packs("gzip", PLAIN_BYTES));
        for coding in ["", "identity", "deflate", "gzip;q=1.0", "GZIP", "x-gzip", "*"] {
            assert!(!packs(coding, usize::MAX), "{coding}");
        }
        assert!(!Packing::Long.packs(&HeaderMap::new(), usize::MAX) && !Packing::Never.packs(&asks("gzip"), usize::MAX));
    }

    /// API-17: OpenAPI v2 is packed from 1,400 bytes on, and its client may weigh encodings.
    #[test]
    fn documents_are_packed_by_weight() {
        let packs = |coding, length| Packing::Document.packs(&asks(coding), length);
        assert!(packs("gzip", DOCUMENT_BYTES) && packs("br, GZip;q=0.5", DOCUMENT_BYTES));
        assert!(!packs("gzip", DOCUMENT_BYTES - 1) && !packs("gzip;q=0", usize::MAX) && !packs("br", usize::MAX));
    }

    /// The sum is the CRC-32 of the format: its check value.
    #[test]
    fn the_sum_is_that_of_the_format() {
        assert_eq!((sum(b"123456789"), sum(b"")), (0xcbf4_3926, 0));
    }
}
