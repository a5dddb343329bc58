use super::keys::KEYS;
use super::read::{ConfigFile, Files};
use crate::failure::Failure;

fn problems(text: &str, user: bool) -> Vec<(u64, String)> {
    match ConfigFile::parse("config.yaml", text.as_bytes(), user) {
        Err(Failure::Settings { problems }) => problems.into_iter().map(|p| (p.location.line, p.message)).collect(),
        other => panic!("{other:?}"),
    }
}

/// CLI-5, CLI-6: unknown keys and wrong forms are named with their line, all of them at once.
#[test]
fn every_wrong_key_is_named_with_its_line() {
    let found = problems("profil: ci\ntimeout: 5\nengine: [docker]\nportProbeMax: -1\n", true);
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(found[0].1.contains("`profil`"), "{found:?}");
    assert!(matches!(ConfigFile::parse("config.yaml", b"a: [", true), Err(Failure::Manifest { .. })));
    assert_eq!(problems("- a\n", true)[0].0, 1);
}

/// CLI-5, API-30: a key that relaxes a protection counts in the user file only; elsewhere it is a violation.
#[test]
fn what_relaxes_a_protection_counts_in_the_user_file_only() {
    let text = "allowedOrigins: [https://dashboard.example]\n";
    let user = ConfigFile::parse("config.yaml", text.as_bytes(), true).unwrap();
    assert_eq!(user.get("allowedOrigins").unwrap().text, "https://dashboard.example");
    assert!(problems(text, false)[0].1.contains("user file only"));
}

/// CLI-5: the project file is found from below, not beyond the repository, and an absent or empty file is no error.
#[test]
fn the_project_file_is_found_from_below() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("repository/src");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::create_dir_all(folder.path().join(".koan")).unwrap();
    std::fs::write(folder.path().join(".koan/config.yaml"), "profile: ci\n").unwrap();
    let profile = |files: Files| files.project.get("profile").map(|value| value.text.clone());
    assert_eq!(profile(Files::read(&inner, None).unwrap()).as_deref(), Some("ci"));
    std::fs::create_dir(folder.path().join("repository/.git")).unwrap();
    assert_eq!(profile(Files::read(&inner, Some(folder.path().join("none.yaml"))).unwrap()), None);
    assert_eq!(ConfigFile::parse("config.yaml", b"# nothing\n", false).unwrap(), ConfigFile::default());
}

/// CLI-5: the example of each key is one that the reader takes.
#[test]
fn every_example_is_accepted() {
    for key in KEYS {
        let text = format!("{}: {}\n", key.name, key.example);
        assert!(ConfigFile::parse("config.yaml", text.as_bytes(), true).unwrap().get(key.name).is_some(), "{text}");
    }
}
