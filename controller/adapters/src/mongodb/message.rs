//! Messages of the wire protocol: `OP_MSG` with one document. Pure.

use super::bson::Document;

/// Bytes before the body: length, number, number of the question, kind.
const HEAD: usize = 16;
/// Flags, and the byte before the only document.
const BEFORE: usize = 5;
/// The kind of message.
const MESSAGE: u32 = 2013;
/// Longest message of a probe; an answer that names every collection of a large database is cut by its server into batches.
pub(super) const LIMIT: usize = 60 * 1024;

/// Something else than a message of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A message of this number.
pub(super) fn join(number: u32, document: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + BEFORE + document.len()).unwrap_or(u32::MAX);
    let head = [length, number, 0, MESSAGE, 0].map(u32::to_le_bytes).concat();
    [&head[..], &[0], document].concat()
}

/// The whole answer to the question of this number at the start of the bytes, and its length; `None` while it goes on.
pub(super) fn split(bytes: &[u8], question: u32) -> Result<Option<(Document<'_>, usize)>, Malformed> {
    let word =
        |index: usize| bytes.get(index * 4..index * 4 + 4).and_then(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
    let Some(length) = word(0) else { return Ok(None) };
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    if !(HEAD + BEFORE..=LIMIT).contains(&length) {
        return Err(Malformed);
    }
    for (index, expected) in [(2, question), (3, MESSAGE)] {
        if word(index).is_some_and(|word| word != expected) {
            return Err(Malformed);
        }
    }
    let Some(body) = bytes.get(HEAD..length) else { return Ok(None) };
    let document = body.get(BEFORE..).filter(|_| body.get(BEFORE - 1) == Some(&0)).and_then(Document::parse);
    document.map(|document| Some((document, length))).ok_or(Malformed)
}
