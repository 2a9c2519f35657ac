//! docs/replaced.md: every test that it names exists.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/replaced.md")).unwrap();
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| feature")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [feature, here, _, test] = cells[..] else { panic!("four columns: {row}") };
        let names: Vec<&str> = test.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || here.starts_with("no"), "{feature}: a test, or `no`");
        let Some((file, function)) = names.split_first() else { continue };
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{feature}: {file}: {error}"));
        for function in function {
            assert!(
                ["fn", "def"].iter().any(|word| source.contains(&format!("{word} {function}("))),
                "{feature}: {file} has no {function}"
            );
        }
        named += 1;
    }
    assert!(named > 20, "{named}");
}
