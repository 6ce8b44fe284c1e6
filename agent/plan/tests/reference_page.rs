//! The reference page of the configuration, held against the program's own list of keys.

use berth_plan::config::KEYS;

#[test]
fn the_reference_page_has_every_key_with_its_default() {
    let page = include_str!("../../../docs/configuration.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for key in KEYS {
        let name = format!("| `{}` |", key.path());
        let row = rows
            .iter()
            .find(|row| row.starts_with(&name))
            .unwrap_or_else(|| panic!("no row for {}", key.path()));
        if let Some(default) = key.default {
            assert!(row.contains(&format!("`{default}`")), "{} has the default {default}: {row}", key.path());
        }
    }
    assert_eq!(rows.len(), KEYS.len(), "a row for a key that there is not");
}
