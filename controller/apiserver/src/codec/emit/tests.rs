use serde_json::json;

use super::*;

/// API-18: texts, folds, blocks and keys stand as the reference writes them.
#[test]
fn yaml_is_written_as_by_the_reference() {
    let long = "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    let value = json!({
        "kind": "Status", "message": long, "a10": 1, "a9": [], "list": [{"b": null, "a": "yes"}, ["x", "-y"], {}],
        "data": {"ca.crt": "one\ntwo\n", "kept": "a\n\n", "cut": "a\nb", "tab": "a\tb", "colon": "a: b", "n": "08", "t": "2026-11-22T06:27:14Z"},
    });
    let text = "a9: []\na10: 1\ndata:\n  ca.crt: |\n    one\n    two\n  colon: 'a: b'\n  cut: |-\n    a\n    b\n  kept: |+\n    a\n\n  \"n\": \"08\"\n  t: \"2026-11-22T06:27:14Z\"\n  tab: \"a\\tb\"\nkind: Status\nlist:\n- a: \"yes\"\n  b: null\n- - x\n  - -y\n- {}\nmessage: 'only the following media types are accepted: application/json;stream=watch,\n  application/vnd.kubernetes.protobuf;stream=watch'\n";
    assert_eq!(yaml_text(&value), text);
}

/// API-18: whatever is written is read back as it was.
#[test]
fn what_is_written_is_read_back() {
    for text in [
        "",
        " a",
        "a ",
        "#",
        "a #b",
        "- a",
        "?",
        "0x1F",
        "1_000",
        "1:30",
        ".5",
        "+1e3",
        "é",
        "\u{1f600}",
        "a\r\nb",
        "\n",
        " \n",
        "'",
        "\"\\",
    ] {
        let value = json!({"k": text, "l": [text]});
        let read: Value = serde_saphyr::from_str(&yaml_text(&value)).unwrap();
        assert_eq!(read, value, "{:?} as {}", text, yaml_text(&value));
    }
}
