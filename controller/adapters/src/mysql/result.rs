//! The row of the check. Pure.

use super::packet::Pieces;

/// Columns of the row, at most.
const COLUMNS: u64 = 8;
/// First byte of the packet that ends columns and rows; longer packets of this byte are rows.
const END: u8 = 0xfe;
/// Longest packet that ends them.
const END_LENGTH: usize = 8;

/// The number of columns that the first packet of a result announces.
pub(super) fn columns(body: &[u8]) -> Option<usize> {
    let mut pieces = Pieces(body);
    let count = pieces.number()?;
    let whole = pieces.0.is_empty() && (1..=COLUMNS).contains(&count);
    usize::try_from(count).ok().filter(|_| whole)
}

/// It ends the columns or the rows.
pub(super) fn is_end(body: &[u8]) -> bool {
    body.first() == Some(&END) && body.len() <= END_LENGTH
}

/// The values of a row; `None` where it is no row of that many.
pub(super) fn row(body: &[u8], columns: usize) -> Option<Vec<Option<String>>> {
    let mut pieces = Pieces(body);
    let mut values = Vec::new();
    for _column in 0..columns {
        values.push(pieces.value()?.map(|text| String::from_utf8_lossy(text).into_owned()));
    }
    pieces.0.is_empty().then_some(values)
}
