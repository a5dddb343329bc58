//! A stock kube-rs client on a custom kind, from create to delete.

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

use super::support::*;

/// API-2, API-10, API-11, API-34: a kube-rs client in process creates, reads, lists, watches, patches, applies, writes the
/// status and deletes.
#[tokio::test]
async fn a_custom_resource_lives_its_life() {
    let server = server().await;
    let api = boxes(&client(&server));
    let made = api.create(&PostParams::default(), &a_box("a", json!({"color": "red"}))).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.data["spec"], json!({"color": "red", "lid": {"tight": true}, "limit": 10, "size": 1}));
    assert_eq!(api.get("a").await.unwrap(), made);
    let list = api.list(&ListParams::default().labels("!none").fields("spec.color=red")).await.unwrap();
    assert_eq!(list.items.len(), 1);

    let mut events = api.watch(&WatchParams::default(), &list.metadata.resource_version.unwrap()).await.unwrap().boxed();
    let merge = Patch::Merge(json!({"spec": {"size": 2}}));
    let merged = api.patch("a", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(merged.metadata.generation, Some(2));
    let applied = json!({"apiVersion": "test.koan.dev/v1", "kind": "Box", "spec": {"parts": [{"name": "p", "count": 3}]}});
    let applied = api.patch("a", &PatchParams::apply("tester"), &Patch::Apply(applied)).await.unwrap();
    assert_eq!(applied.data["spec"]["parts"], json!([{"count": 3, "name": "p"}]));
    assert_eq!(applied.data["spec"]["size"], json!(2));
    let status = api
        .patch_status("a", &PatchParams::default(), &Patch::Merge(json!({"status": {"full": true}, "spec": {"size": 9}})))
        .await
        .unwrap();
    assert_eq!((status.metadata.generation, &status.data["spec"]["size"]), (Some(3), &json!(2)));
    assert_eq!(status.data["status"], json!({"full": true}));
    assert!(api.delete("a", &DeleteParams::default()).await.unwrap().is_right());
    let mut kinds = Vec::new();
    while kinds.len() < 4 {
        kinds.push(match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            _ => "other",
        });
    }
    assert_eq!(kinds, ["modified", "modified", "modified", "deleted"]);
    assert_eq!(api.get_opt("a").await.unwrap(), None);
}
