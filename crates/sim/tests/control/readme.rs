//! The README says what there is.

use agentcore_sim::Settings;

#[test]
fn every_setting_is_in_the_readme() {
    let readme = include_str!("../../README.md");
    let settings = serde_json::to_value(Settings::default()).unwrap();
    for name in settings.as_object().unwrap().keys() {
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} is not in README.md"
        );
    }
}
