//! Header blocks: one compressed stream for each direction of a connection, cut into frames.
//!
//! What comes in is inflated; what goes out is told in stored blocks, which every inflater reads and which need no compressor.

use std::collections::BTreeMap;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress};

use super::dictionary::{SUM, dictionary};

/// The largest header block, once inflated.
const BLOCK_LIMIT_BYTES: usize = 16 * 1024;
/// Headers of one block.
const COUNT_LIMIT: u32 = 64;
/// How a compressed stream with a preset dictionary begins: method and window, then a mark whose sum with the first divides by
/// 31; the dictionary's own sum follows.
const METHOD_DEFLATE: u8 = 8;
const MARK_DICTIONARY: u8 = 0x20;
const PREFIX_BYTES: usize = 6;
/// The beginning of our own stream, which uses no dictionary.
const OWN_PREFIX: [u8; 2] = [0x78, 0x01];
/// An empty stored block: whoever inflates has everything before it.
const FLUSH: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// Why a header block cannot be read; the connection is lost with it, since all later blocks build on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockError {
    /// The compressed stream does not begin as it must.
    #[error("the header stream does not begin with the protocol's dictionary")]
    Prefix,
    /// It cannot be inflated.
    #[error("a header block cannot be inflated")]
    Damaged,
    /// It inflates to more than is read.
    #[error("a header block is larger than {BLOCK_LIMIT_BYTES} bytes or has more than {COUNT_LIMIT} headers")]
    TooLarge,
    /// Its names and values do not fill it.
    #[error("a header block does not hold what it says")]
    Malformed,
}

/// The inflater of a connection's incoming headers.
pub(super) struct Inflater {
    state: Box<DecompressorOxide>,
    /// The last 32 KiB that came out, which later blocks repeat; the dictionary stands in it first.
    window: Box<[u8]>,
    position: usize,
    /// The first bytes of the stream, until all of them came.
    prefix: Vec<u8>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        let mut window = vec![0; TINFL_LZ_DICT_SIZE];
        let dictionary = dictionary();
        window[..dictionary.len()].copy_from_slice(&dictionary);
        Self {
            state: Box::default(),
            window: window.into_boxed_slice(),
            position: dictionary.len(),
            prefix: Vec::with_capacity(PREFIX_BYTES),
        }
    }

    /// Reads one block: lower-case names and their values.
    ///
    /// # Errors
    /// [`BlockError`]
    pub(super) fn read(&mut self, mut input: &[u8]) -> Result<BTreeMap<String, String>, BlockError> {
        while self.prefix.len() < PREFIX_BYTES {
            let (first, rest) = input.split_first().ok_or(BlockError::Prefix)?;
            self.prefix.push(*first);
            input = rest;
            if self.prefix.len() == PREFIX_BYTES && !is_prefix(&self.prefix) {
                return Err(BlockError::Prefix);
            }
        }
        let mut block = Vec::new();
        loop {
            let (status, read, written) =
                decompress(&mut self.state, input, &mut self.window, self.position, TINFL_FLAG_HAS_MORE_INPUT);
            block.extend_from_slice(&self.window[self.position..self.position + written]);
            if block.len() > BLOCK_LIMIT_BYTES {
                return Err(BlockError::TooLarge);
            }
            self.position = (self.position + written) % TINFL_LZ_DICT_SIZE;
            input = &input[read..];
            match status {
                TINFLStatus::NeedsMoreInput if input.is_empty() => return pairs(&block),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(BlockError::Damaged),
            }
        }
    }
}

fn is_prefix(bytes: &[u8]) -> bool {
    let [method, mark, sum @ ..] = bytes else { return false };
    method & 0x0f == METHOD_DEFLATE
        && mark & MARK_DICTIONARY != 0
        && u16::from_be_bytes([*method, *mark]).is_multiple_of(31)
        && *sum == SUM.to_be_bytes()
}

/// The names and values of an inflated block.
fn pairs(block: &[u8]) -> Result<BTreeMap<String, String>, BlockError> {
    let mut rest = block;
    let count = number(&mut rest)?;
    if count > COUNT_LIMIT {
        return Err(BlockError::TooLarge);
    }
    let mut found = BTreeMap::new();
    for _ in 0..count {
        let (name, value) = (text(&mut rest)?, text(&mut rest)?);
        found.insert(name.to_ascii_lowercase(), value);
    }
    if rest.is_empty() { Ok(found) } else { Err(BlockError::Malformed) }
}

fn number(rest: &mut &[u8]) -> Result<u32, BlockError> {
    let (bytes, after) = rest.split_first_chunk::<4>().ok_or(BlockError::Malformed)?;
    *rest = after;
    Ok(u32::from_be_bytes(*bytes))
}

fn text(rest: &mut &[u8]) -> Result<String, BlockError> {
    let length = usize::try_from(number(rest)?).map_err(|_| BlockError::Malformed)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(BlockError::Malformed)?;
    *rest = after;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// A block without headers, the `first` of its connection or a later one.
pub(super) fn empty_block(first: bool) -> Vec<u8> {
    let content = 0_u32.to_be_bytes();
    let length = u16::try_from(content.len()).unwrap_or_default();
    let mut bytes = Vec::new();
    if first {
        bytes.extend(OWN_PREFIX);
    }
    bytes.push(0);
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(content);
    bytes.extend(FLUSH);
    bytes
}
