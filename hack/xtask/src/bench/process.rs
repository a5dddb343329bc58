//! What `/proc` says of a process.

use anyhow::{Context as _, Result};

/// Bytes in memory, shared pages by their share (PSS).
///
/// # Errors
/// The process is gone.
pub(crate) fn proportional(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    Ok(field(&text, "Pss:")? * 1024.0)
}

/// Bytes in memory (RSS).
///
/// # Errors
/// The process is gone.
pub(crate) fn resident(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(field(&text, "VmRSS:")? * 1024.0)
}

/// Seconds of processor time of all its threads, those that ended too.
///
/// # Errors
/// The process is gone.
pub(crate) fn processor(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name in brackets stand state, 10 numbers, and then the ticks in user and kernel mode.
    let after = text.rsplit_once(") ").map(|(_, rest)| rest).context("no stat")?;
    let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    // A tick of this interface is 10 ms on every Linux (USER_HZ).
    Ok(ticks / 100.0)
}

/// The number behind a name of a `/proc` file.
///
/// # Errors
/// There is none.
pub(crate) fn field(text: &str, name: &str) -> Result<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    rest.split_whitespace().next().and_then(|word| word.parse().ok()).with_context(|| format!("{name} {rest}"))
}

#[cfg(test)]
mod tests {
    use super::field;

    /// PERF-15: the sum of proportional shares is read, not another line that begins alike.
    #[test]
    fn the_proportional_share_is_read() {
        let text = "Rss:  900 kB\nPss_Dirty:  100 kB\nPss:    300 kB\n";
        assert_eq!(field(text, "Pss:").unwrap(), 300.0);
        assert!(field(text, "Swap:").is_err());
    }
}
