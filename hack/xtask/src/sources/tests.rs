use super::{has_word, product_lines, tests};

const FILE: &str = r#"
//! Header.
fn kept() {}

#[cfg(test)]
mod tests {
    /// K-901, K-902: two ids that no page defines.
    #[tokio::test(flavor = "current_thread")]
    async fn named_by_its_documentation() {}

    /// K-903: not a test.
    fn helper() {}

    #[test]
    fn undocumented() {}
}

fn kept_too() {}
"#;

#[test]
fn product_lines_leave_out_test_blocks_and_comments() {
    let kept: Vec<&str> = product_lines(FILE).into_iter().map(|(_, line)| line).filter(|line| !line.is_empty()).collect();
    assert_eq!(kept, ["fn kept() {}", "fn kept_too() {}"]);
}

#[test]
fn a_test_comes_with_its_own_documentation_only() {
    let found = tests(FILE);
    assert_eq!(found.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(), ["named_by_its_documentation", "undocumented"]);
    assert!(found[0].documentation.contains("K-902"));
    assert!(found[1].documentation.is_empty());
}

#[test]
fn a_word_is_not_found_inside_another() {
    assert!(has_word("use postgres;", "postgres"));
    assert!(!has_word("use tokio_postgres;", "postgres"));
    assert!(!has_word("postgresql", "postgres"));
    assert!(has_word("postgresql or postgres", "postgres"));
}
