use super::recipe;

/// DET-36: the volume lies over the path that the image of that tag declares.
#[test]
fn the_data_path_follows_the_tag() {
    let paths = recipe().data_paths;
    for (tag, path) in [
        ("18.6", "/var/lib/postgresql"),
        ("17.5-alpine", "/var/lib/postgresql/data"),
        ("0.8.0-pg17", "/var/lib/postgresql/data"),
        ("pg18", "/var/lib/postgresql"),
        ("latest", "/var/lib/postgresql"),
    ] {
        assert_eq!(paths(tag), [path], "{tag}");
    }
}
