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
    let found = tests(FILE, false);
    assert_eq!(found.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(), ["named_by_its_documentation", "undocumented"]);
    assert!(found[0].documentation.contains("K-902"));
    assert!(found[1].documentation.is_empty());
}

#[test]
fn cases_of_a_contract_are_tests_without_an_attribute() {
    let found = tests("/// K-904: a case.\npub(crate) async fn k_904_a_case(bench: &Bench) {}\n", true);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "k_904_a_case");
    assert!(found[0].documentation.contains("K-904"));
}

#[test]
fn a_word_is_not_found_inside_another() {
    assert!(has_word("use postgres;", "postgres"));
    assert!(!has_word("use tokio_postgres;", "postgres"));
    assert!(!has_word("postgresql", "postgres"));
    assert!(has_word("postgresql or postgres", "postgres"));
}
