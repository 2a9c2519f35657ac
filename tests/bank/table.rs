//! The table of rules in the docs names tests that are there.

const DOCS: &str = include_str!("../../docs/bank.md");
const TESTS: [&str; 4] =
    [include_str!("values.rs"), include_str!("currents.rs"), include_str!("voltage.rs"), include_str!("silence.rs")];
const PROPERTIES: &str = include_str!("properties.rs");
const ON_A_BUS: &str = include_str!("../bank_dbus.rs");
const IN_ONE_RUN: &str = include_str!("../bank_local.rs");

fn tests() -> Vec<&'static str> {
    let functions = TESTS.iter().chain([&PROPERTIES, &ON_A_BUS, &IN_ONE_RUN]).flat_map(|file| {
        let after = file.match_indices("#[test]").chain(file.match_indices("#[tokio::test"));
        after.filter_map(|(at, _)| file[at..].split_once("fn ")?.1.split_once('(').map(|(name, _)| name)).collect::<Vec<_>>()
    });
    functions.collect()
}

#[test]
fn every_rule_of_the_docs_has_a_test_and_every_test_of_a_rule_stands_there() {
    let tests = tests();
    let rows = DOCS.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let named: Vec<&str> =
        rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('`').nth(1)).filter(|name| !name.starts_with("--")).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in &named {
        assert!(tests.contains(name), "docs/bank.md names `{name}`, which is no test");
    }
    for name in tests {
        assert!(named.contains(&name), "`{name}` has no row in docs/bank.md");
    }
}
