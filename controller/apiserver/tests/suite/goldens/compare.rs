//! Compares this server's answers with the reference's, as each request says that they compare.

use serde_json::{Value, json};

/// How the answers to a corpus compare.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) equal: usize,
    /// Answers that differ on purpose, as their marks say.
    pub(super) deviating: usize,
    /// Answers that are known to be wrong.
    pub(super) open: usize,
    /// One entry for each answer that is neither.
    pub(super) differences: Vec<String>,
}

/// What an answer may be.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Equal,
    Deviating,
    Open,
}

/// The reference's answer as this server is meant to give it (RFC 7396).
fn merged(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().shift_remove(name);
        } else {
            merged(&mut target[name.as_str()], value);
        }
    }
}

/// The fields of an object and of its metadata, in their order, which some clients show or assert.
fn order(body: &Value) -> [Vec<&String>; 2] {
    [body, &body["metadata"]].map(|value| value.as_object().into_iter().flatten().map(|(name, _)| name).collect())
}

pub(super) fn equal(expected: &Value, found: &Value) -> bool {
    expected == found && order(&expected["body"]) == order(&found["body"])
}

/// Judges one answer; `marked` says whether the marks of the request count.
fn verdict(request: &Value, expected: &Value, found: &Value, marked: bool) -> Result<Verdict, &'static str> {
    let same = equal(expected, found);
    if marked && !request["open"].is_null() {
        return if same { Err("the fault is mended: remove the mark `open`") } else { Ok(Verdict::Open) };
    }
    if !marked || request["koan"].is_null() {
        return if same { Ok(Verdict::Equal) } else { Err("the answers differ") };
    }
    let mut wanted = expected.clone();
    if request["koan"]["answer"].is_null() {
        merged(&mut wanted, &request["koan"]["patch"]);
    } else {
        wanted.clone_from(&request["koan"]["answer"]);
    }
    if wanted == *expected {
        Err("the marked deviation changes nothing: remove the mark `koan`")
    } else if wanted == *found {
        Ok(Verdict::Deviating)
    } else {
        Err("the answer is not the one that the mark `koan` describes")
    }
}

/// Compares answers; `marked` says whether the marks of the requests count, which are this server's.
pub(super) fn compare(requests: &[Value], expected: &[Value], found: &[Value], marked: bool) -> Tally {
    assert_eq!((requests.len(), expected.len()), (found.len(), found.len()), "record the answers anew");
    let mut tally = Tally::default();
    for (index, ((request, expected), found)) in requests.iter().zip(expected).zip(found).enumerate() {
        match verdict(request, expected, found, marked) {
            Ok(Verdict::Equal) => tally.equal += 1,
            Ok(Verdict::Deviating) => tally.deviating += 1,
            Ok(Verdict::Open) => tally.open += 1,
            Err(problem) => tally.differences.push(format!(
                "request {index}, {} {}: {problem}\n  expected {expected}\n  found    {found}",
                request["method"], request["path"]
            )),
        }
    }
    tally
}

/// API-38, API-39: a deviation that is gone and a fault that is mended are errors until their marks are removed, and a mark
/// covers what it describes and nothing else.
#[test]
fn marks_can_only_become_fewer() {
    let theirs = json!({"code": 200, "body": {"kind": "A", "x": 1}});
    let ours = json!({"code": 200, "body": {"kind": "A"}});
    let judge = |request: Value, found: &Value| verdict(&request, &theirs, found, true);
    let deviation = json!({"koan": {"why": "", "patch": {"body": {"x": null}}}});
    assert_eq!(judge(deviation.clone(), &ours), Ok(Verdict::Deviating));
    assert!(judge(deviation, &theirs).is_err());
    assert!(judge(json!({"koan": {"why": "", "patch": {"code": 200}}}), &theirs).is_err());
    assert_eq!(judge(json!({"open": "x is missing"}), &ours), Ok(Verdict::Open));
    assert!(judge(json!({"open": "x is missing"}), &theirs).is_err());
    assert!(judge(json!({}), &ours).is_err());
    let turned = json!({"code": 200, "body": {"x": 1, "kind": "A"}});
    assert!(judge(json!({}), &turned).is_err());
}
