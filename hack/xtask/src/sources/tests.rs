use super::{has_word, product_lines, tests};

const FILE: &str = r#"
//! Header.
fn kept() {}

#[cfg(test)]
mod tests {
    /// DET-16, SEC-1: another user's listener gets no plain-text login.
    #[tokio::test(flavor = "current_thread")]
    async fn sec_1_foreign_listener_gets_nothing() {}

    /// API-1: not a test.
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
    assert_eq!(
        found.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(),
        ["sec_1_foreign_listener_gets_nothing", "undocumented"]
    );
    assert!(found[0].documentation.contains("DET-16"));
    assert!(found[1].documentation.is_empty());
}

#[test]
fn a_word_is_not_found_inside_another() {
    assert!(has_word("use postgres;", "postgres"));
    assert!(!has_word("use tokio_postgres;", "postgres"));
    assert!(!has_word("postgresql", "postgres"));
    assert!(has_word("postgresql or postgres", "postgres"));
}
