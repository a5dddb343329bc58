//! Pods that mirror workloads, over the socket and in process, with a scripted embedder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use http::Method;
use koan_apiserver::{
    Class, Command, Connection, LogLine, LogLines, LogRequest, Output, PodKey, Running, Server, WorkloadError, Workloads,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::support::*;

/// The Pods of the default namespace.
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";

/// The port that takes no connection.
pub(super) const REFUSED: u16 = 9;

/// Notes what it is asked; every log has three lines, and every port says its number and then what it hears.
#[derive(Default)]
pub(super) struct Scripted {
    restarts: Mutex<Vec<(PodKey, Option<Duration>)>>,
    logs: Mutex<Vec<LogRequest>>,
}

#[async_trait]
impl Workloads for Scripted {
    async fn log(&self, _: &PodKey, request: &LogRequest) -> Result<LogLines, WorkloadError> {
        self.logs.lock().unwrap().push(request.clone());
        let line =
            |index: i64| LogLine { at: jiff::Timestamp::from_second(index).ok(), error: false, text: format!("line {index}") };
        let lines = futures::stream::iter((1..=3).map(move |index| Ok(line(index))));
        if request.follow { Ok(Box::pin(lines.chain(futures::stream::pending()))) } else { Ok(Box::pin(lines)) }
    }

    async fn run(&self, _: &PodKey, _: &Command) -> Result<Running, WorkloadError> {
        Ok(Running {
            input: None,
            output: futures::stream::iter([Output::Standard("out".into())]).boxed(),
            sizes: None,
            exit: Box::pin(async { Ok(3) }),
        })
    }

    async fn connect(&self, pod: &PodKey, port: u16) -> Result<Connection, WorkloadError> {
        if port == REFUSED {
            return Err(WorkloadError {
                class: Class::Transient,
                message: "dial tcp 127.0.0.1:9: connect: connection refused".to_owned(),
            });
        }
        let (ours, theirs) = tokio::io::duplex(64);
        let name = pod.name.clone();
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(theirs);
            to.write_all(format!("{name}:{port} ").as_bytes()).await.unwrap();
            // Says back what it hears, and ends with it.
            tokio::io::copy(&mut from, &mut to).await.unwrap();
            to.shutdown().await.unwrap();
        });
        Ok(Box::pin(ours))
    }

    async fn restart(&self, pod: &PodKey, grace: Option<Duration>) -> Result<(), WorkloadError> {
        if pod.name == "stuck" {
            return Err(WorkloadError { class: Class::Transient, message: "not now".to_owned() });
        }
        self.restarts.lock().unwrap().push((pod.clone(), grace));
        Ok(())
    }
}

/// A Pod of the box `owner`.
pub(super) fn a_pod(name: &str, uid: &str, phase: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "default", "uid": uid, "labels": {"app": name},
            "ownerReferences": [{"apiVersion": "test.koan.dev/v1", "kind": "Box", "name": "owner", "uid": "o", "controller": true}],
        },
        "spec": {"containers": [{"name": "main", "image": "i:1"}], "nodeName": "engine"},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0, "state": {"running": {}}, "image": "", "imageID": ""}],
        },
    })
}

pub(super) async fn shown(pods: &[Value]) -> (Server, Arc<Scripted>) {
    let server = server().await;
    let api = boxes(&client(&server));
    let owner = api.create(&Default::default(), &a_box("owner", json!({}))).await.unwrap();
    let scripted = Arc::new(Scripted::default());
    server.answer_for_pods(Arc::clone(&scripted) as Arc<dyn Workloads>);
    let mut pods = pods.to_vec();
    for pod in &mut pods {
        pod["metadata"]["ownerReferences"][0]["uid"] = json!(owner.metadata.uid);
    }
    server.mirrors().show_pods(pods).await.unwrap();
    (server, scripted)
}

/// API-3: mirrors are listed, selected by label and field, laid out as a Table and watched like any object, and one that did
/// not change is no event.
#[tokio::test]
async fn mirrors_are_read_like_any_object() {
    let (server, _) = shown(&[a_pod("a", "1", "Running"), a_pod("b", "2", "Succeeded")]).await;
    let names = async |query: &str| {
        let list = get(&server, &format!("{PODS}?{query}")).await.json();
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a", "b"]);
    assert_eq!(names("fieldSelector=status.phase%3DRunning").await, ["a"]);
    assert_eq!(names("fieldSelector=spec.nodeName%3Dengine,metadata.name%3Db").await, ["b"]);
    assert_eq!(names("labelSelector=app%3Db").await, ["b"]);
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = send(&server, Method::GET, &format!("{PODS}/a"), &accept, "").await.json();
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..4], [json!("a"), json!("1/1"), json!("Running"), json!("0")]);

    let version = get(&server, PODS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{PODS}?watch=true&resourceVersion={version}");
    let (mut watch, mut buffer) = (start(&server, Method::GET, &path, &[], "".into()).await, Vec::new());
    let now = get(&server, PODS).await.json()["items"].as_array().unwrap().clone();
    let mut next: Vec<Value> = now.into_iter().map(|pod| pod.as_object().unwrap().clone().into()).collect();
    for pod in &mut next {
        pod["kind"] = json!("Pod");
        pod["apiVersion"] = json!("v1");
    }
    next[1]["status"]["phase"] = json!("Failed");
    server.mirrors().show_pods(next).await.unwrap();
    let event = line(&mut watch, &mut buffer).await.unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("MODIFIED"), &json!("b")));
    server.mirrors().show_pods(Vec::new()).await.unwrap();
    assert_eq!(line(&mut watch, &mut buffer).await.unwrap()["type"], "DELETED");
}

/// API-3: nobody but the embedding process writes a mirror; the answer names what to change instead.
#[tokio::test]
async fn writes_of_mirrors_are_refused() {
    let (server, _) = shown(&[a_pod("a", "1", "Running")]).await;
    let refusal = "pods \"a\" is forbidden: it mirrors box \"owner\"; change that instead";
    for (method, path) in
        [(Method::PUT, format!("{PODS}/a")), (Method::PATCH, format!("{PODS}/a")), (Method::POST, PODS.to_owned())]
    {
        let body = a_pod("a", "1", "Running").to_string();
        let answer = send(&server, method.clone(), &path, &[], body).await;
        assert_eq!((answer.code, answer.message()), (403, refusal.to_owned()), "{method}");
    }
    let all = send(&server, Method::DELETE, PODS, &[], "").await;
    assert_eq!((all.code, all.message().as_str()), (403, "pods is forbidden: they mirror boxes; change those instead"));
    let absent = send(&server, Method::PATCH, &format!("{PODS}/none"), &[], "{}").await;
    assert_eq!(absent.code, 404);
}

/// API-3: a delete notes the restart before it is answered and shows the end at once; preconditions and dry run hold, a note
/// that cannot be written fails the delete, and the name stays free for a moment before its next owner is shown.
#[tokio::test(start_paused = true)]
async fn a_delete_asks_for_a_restart() {
    let (server, scripted) = shown(&[a_pod("a", "1", "Running"), a_pod("stuck", "2", "Running")]).await;
    let delete = async |name: &str, options: Value| {
        send(&server, Method::DELETE, &format!("{PODS}/{name}"), &[], options.to_string()).await
    };
    assert_eq!(delete("a", json!({"preconditions": {"uid": "9"}})).await.code, 409);
    assert_eq!(delete("a", json!({"dryRun": ["All"]})).await.code, 200);
    assert_eq!(delete("stuck", json!({})).await.code, 503);
    assert_eq!(scripted.restarts.lock().unwrap().len(), 0);
    assert!(get(&server, &format!("{PODS}/a")).await.json()["metadata"]["deletionTimestamp"].is_null());

    let answer = delete("a", json!({"gracePeriodSeconds": 7})).await.json();
    assert_eq!((&answer["kind"], &answer["metadata"]["deletionGracePeriodSeconds"]), (&json!("Pod"), &json!(7)));
    let key = PodKey { namespace: "default".to_owned(), name: "a".to_owned(), uid: "1".to_owned() };
    assert_eq!(*scripted.restarts.lock().unwrap(), [(key, Some(Duration::from_secs(7)))]);
    let ends = get(&server, &format!("{PODS}/a")).await.json()["metadata"]["deletionTimestamp"].clone();
    let mirrors = server.mirrors();
    mirrors.show_pods(vec![a_pod("a", "1", "Running")]).await.unwrap();
    assert_eq!(get(&server, &format!("{PODS}/a")).await.json()["metadata"]["deletionTimestamp"], ends, "it stays on its way");

    let next = vec![a_pod("a", "3", "Running")];
    mirrors.show_pods(next.clone()).await.unwrap_err();
    assert_eq!(get(&server, &format!("{PODS}/a")).await.code, 404, "whoever waits sees that it went");
    tokio::time::sleep(Duration::from_secs(2)).await;
    mirrors.show_pods(next).await.unwrap();
    assert_eq!(get(&server, &format!("{PODS}/a")).await.json()["metadata"]["uid"], "3");
}

/// API-3: every option of a log reaches the engine or shapes the text; wrong ones are named, and a followed log ends with its Pod.
#[tokio::test(start_paused = true)]
async fn logs_are_read_as_asked() {
    let (server, scripted) = shown(&[a_pod("a", "1", "Running")]).await;
    let log = async |query: &str| get(&server, &format!("{PODS}/a/log?{query}")).await;
    let plain = log("tailLines=5&container=main").await;
    assert_eq!(
        (plain.headers["content-type"].to_str().unwrap(), plain.text.as_str()),
        ("text/plain", "line 1\nline 2\nline 3\n")
    );
    assert_eq!(scripted.logs.lock().unwrap()[0].tail, Some(5));
    assert_eq!(log("timestamps=true&limitBytes=27").await.text, "1970-01-01T00:00:01Z line 1");
    assert!(log("sinceTime=2026-01-01T00:00:00Z").await.code == 200);
    assert_eq!(scripted.logs.lock().unwrap()[2].since.map(|since| since.as_second()), Some(1_767_225_600));
    for (query, code, text) in [
        ("container=other", 400, "container other is not valid for pod a"),
        ("previous=true", 400, "previous terminated container \"main\" in pod \"a\" not found"),
        ("tailLines=-1", 422, "PodLogOptions \"a\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            422,
            "PodLogOptions \"a\" is invalid: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ] {
        let answer = log(query).await;
        assert_eq!((answer.code, answer.message().as_str()), (code, text), "{query}");
    }
    let followed = log("follow=true");
    let gone = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.mirrors().show_pods(Vec::new()).await.unwrap();
    };
    let (followed, ()) = tokio::join!(followed, gone);
    assert_eq!(followed.text, "line 1\nline 2\nline 3\n");
}

/// API-19, API-39: a command without an upgrade, by SPDY, or on a connection that cannot change is refused with what to do.
#[tokio::test]
async fn commands_need_a_websocket() {
    let (server, _) = shown(&[a_pod("a", "1", "Running")]).await;
    let path = format!("{PODS}/a/exec?command=true&stdout=true");
    assert_eq!(get(&server, &path).await.message(), "Upgrade request required");
    let spdy = send(&server, Method::POST, &path, &[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")], "").await;
    assert_eq!(spdy.code, 400);
    assert!(spdy.message().contains("kubectl 1.30"), "{}", spdy.message());
    let offer = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(send(&server, Method::GET, &path, &offer, "").await.code, 400, "there is no connection in process");
    let unknown = [offer.as_slice(), &[("sec-websocket-protocol", "v9.channel.k8s.io")]].concat();
    assert!(send(&server, Method::GET, &path, &unknown, "").await.message().contains("v5.channel.k8s.io"));
}

/// API-16: the ServiceAccount `default` is there when the create of its namespace is answered, and goes with it.
#[tokio::test]
async fn namespaces_have_an_account() {
    let server = server().await;
    for namespace in ["default", "kube-system"] {
        assert_eq!(get(&server, &format!("/api/v1/namespaces/{namespace}/serviceaccounts/default")).await.code, 200);
    }
    let made = post(&server, "/api/v1/namespaces", &json!({"metadata": {"name": "team"}})).await;
    assert_eq!(made.code, 201);
    let account = "/api/v1/namespaces/team/serviceaccounts/default";
    assert_eq!(get(&server, account).await.code, 200);
    let tried = post(&server, "/api/v1/namespaces?dryRun=All", &json!({"metadata": {"name": "dry"}})).await;
    assert_eq!(tried.code, 201);
    assert_eq!(get(&server, "/api/v1/namespaces/dry/serviceaccounts/default").await.code, 404);
    send(&server, Method::DELETE, "/api/v1/namespaces/team", &[], "").await;
    until("the namespace is gone", async || (get(&server, "/api/v1/namespaces/team").await.code == 404).then_some(())).await;
    assert_eq!(get(&server, account).await.code, 404);
}

/// API-31: reviews answer for the owner what is served, and for others by their role; a wrong question is named.
#[tokio::test]
async fn reviews_answer_truthfully() {
    let (server, _) = shown(&[]).await;
    let ask = async |group: &str, kind: &str, spec: Value| {
        let path = format!("/apis/{group}/v1/{}s", kind.to_lowercase());
        post(&server, &path, &json!({"apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec})).await
    };
    let access = async |verb: &str, resource: &str, subresource: &str| {
        let spec = json!({"resourceAttributes": {"verb": verb, "resource": resource, "subresource": subresource}});
        ask("authorization.k8s.io", "SelfSubjectAccessReview", spec).await.json()["status"]["allowed"].clone()
    };
    let mut answers = BTreeMap::new();
    for (verb, resource, subresource) in [
        ("create", "pods", ""),
        ("patch", "pods", ""),
        ("delete", "pods", ""),
        ("get", "pods", "log"),
        ("create", "pods", "exec"),
        ("create", "pods", "portforward"),
        ("create", "secrets", ""),
        ("list", "nodes", ""),
    ] {
        answers.insert(format!("{verb} {resource}/{subresource}"), access(verb, resource, subresource).await);
    }
    let yes: Vec<&str> = answers.iter().filter(|(_, allowed)| **allowed == json!(true)).map(|(what, _)| what.as_str()).collect();
    assert_eq!(yes, ["create pods/exec", "create pods/portforward", "create secrets/", "delete pods/", "get pods/log"]);
    let who = ask("authentication.k8s.io", "SelfSubjectReview", json!({})).await;
    assert_eq!((who.code, who.json()["status"]["userInfo"]["groups"][0].clone()), (201, json!("system:masters")));
    let viewer = json!({"user": "koan:viewer", "resourceAttributes": {"verb": "get", "resource": "secrets"}});
    assert_eq!(ask("authorization.k8s.io", "SubjectAccessReview", viewer).await.json()["status"]["allowed"], false);
    let stranger = json!({"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods"}});
    assert_eq!(ask("authorization.k8s.io", "SubjectAccessReview", stranger).await.json()["status"]["allowed"], false);
    let token = ask("authentication.k8s.io", "TokenReview", json!({"token": "x"})).await;
    assert_eq!(token.json()["status"], json!({"user": {}, "error": "invalid bearer token"}));
    let rules = ask("authorization.k8s.io", "SelfSubjectRulesReview", json!({"namespace": "default"})).await.json();
    let rules = rules["status"]["resourceRules"].as_array().unwrap().clone();
    let pods = rules.iter().find(|rule| rule["resources"] == json!(["pods"])).unwrap();
    assert_eq!(pods["verbs"], json!(["delete", "get", "list", "watch"]));
    assert_eq!(ask("authorization.k8s.io", "SelfSubjectAccessReview", json!({})).await.code, 422);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io"), ("content-type", "application/json")];
    assert_eq!(send(&server, Method::POST, path, &accept, "{}").await.code, 406);
}
