use std::path::Path;

use koan_core::probe::{Access, CandidateVerdict, CredentialRef, Probe, Usable};
use koan_core::recipe::ProcessRecipe;
use koan_crds::v1alpha1::EvidenceCode;
use sha2::{Digest, Sha256};

use crate::testing::programs::program;
use crate::testing::servers::{NOBODY, Server, start_as};
use crate::testing::transcript::{Answers, Stage, json};
use crate::testing::{codes, login, manifest, only};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];

fn process() -> ProcessRecipe {
    let variables =
        [("OLLAMA_HOST", "127.0.0.1:<http>"), ("OLLAMA_MODELS", "<data>"), ("HOME", "<data>"), ("OLLAMA_NOPRUNE", "true")];
    program(&["ollama"], &["serve"], &variables, &[])
}

async fn real() -> Option<Server> {
    start_as("ollama", &process(), (NOBODY, &[]), &login(None, ""), model).await
}

/// The model `koan-tiny` as `ollama pull` would leave it: GGUF 3 with no tensor and its architecture alone.
fn model(home: &Path) {
    let store = home.join("data");
    let blob = |kind: &str, bytes: &[u8]| {
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::create_dir_all(store.join("blobs")).unwrap();
        std::fs::write(store.join(format!("blobs/sha256-{digest}")), bytes).unwrap();
        format!("{{\"mediaType\":\"{kind}\",\"digest\":\"sha256:{digest}\",\"size\":{}}}", bytes.len())
    };
    let text = |text: &str| [&u64::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
    let head = [&b"GGUF\x03\0\0\0"[..], &[0; 8], &1_u64.to_le_bytes()].concat();
    let weights = [head, text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("llama")].concat();
    let layer = blob("application/vnd.ollama.image.model", &weights);
    let settings =
        r#"{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"0","file_type":"F16"}"#;
    let settings = blob("application/vnd.docker.container.image.v1+json", settings.as_bytes());
    let folder = store.join("manifests/registry.ollama.ai/library/koan-tiny");
    std::fs::create_dir_all(&folder).unwrap();
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = format!("{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"config\":{settings},\"layers\":[{layer}]}}");
    std::fs::write(folder.join("latest"), manifest).unwrap();
}

/// DET-16, DET-20, DET-21: a real server, which has no login, is used anonymously; a stranger's is not used.
#[tokio::test]
async fn a_real_server_is_used_without_a_login() {
    let Some(server) = real().await else { return };
    let question = question("ollama", server.port, "");
    let access = manifest(login(Some("shop"), "c4nary"));
    let report = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, version, .. }) = &only(&report).verdict else { panic!("{report:?}") };
    assert_eq!(*credential, CredentialRef::Anonymous);
    assert!(version.as_deref().is_some_and(|version| version.starts_with("0.")), "{version:?}");
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &access).await;
    assert_eq!(only(&stranger).verdict, CandidateVerdict::Rejected);
}

/// DET-21, DET-5 (decision 0019): a real server has to have every model that is asked for; what it lacks is named.
#[tokio::test]
async fn a_real_server_has_the_models_that_are_named() {
    let Some(server) = real().await else { return };
    for (models, lacks) in [
        ("koan-tiny", None),
        ("koan-tiny:latest", None),
        ("koan-tiny:8b", Some("koan-tiny:8b")),
        ("koan-tiny, other", Some("other")),
        ("koan", Some("koan")),
    ] {
        let report = LiveProber::as_user(server.uid).probe(&question("ollama", server.port, models), &Access::default()).await;
        let last = only(&report).evidence.last().unwrap();
        let code = if lacks.is_none() { EvidenceCode::CredentialAccepted } else { EvidenceCode::CapabilityMissing };
        assert_eq!(last.code, code, "{models} {last:?}");
        let named =
            lacks.is_none_or(|name| last.detail.as_ref().is_some_and(|text| text.ends_with(&format!("ollama pull {name}"))));
        assert!(named, "{models} {last:?}");
    }
}

/// DET-40: another adapter's real server is an impostor, and this one is no other adapter's.
#[tokio::test]
async fn a_real_server_is_nothing_else() {
    let Some(server) = real().await else { return };
    for adapter in ["vault", "weaviate", "rabbitmq", "mosquitto"] {
        let report = LiveProber::new().probe(&question(adapter, server.port, ""), &Access::default()).await;
        assert_eq!(only(&report).verdict, CandidateVerdict::Impostor, "{adapter}");
    }
}

/// Answers of 0.32.15, recorded, with another version and list of models.
fn answers(version: &str, status: u16, models: &str) -> Answers {
    let greeting = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 17\r\n\r\nOllama is running";
    vec![
        ("GET / ".to_owned(), greeting.to_vec()),
        json("/api/version", 200, &format!("{{\"version\":\"{version}\"}}")),
        json("/api/tags", status, models),
    ]
}

/// A question that needs these models.
fn question(adapter: &str, port: u16, models: &str) -> Probe {
    Probe { database: models.to_owned(), ..crate::testing::question(adapter, port, &ALL) }
}

async fn report_of(answers: Answers, models: &str) -> (Vec<EvidenceCode>, String) {
    let stage = Stage::open(answers).await;
    let access = manifest(login(Some("shop"), "c4nary"));
    let report = LiveProber::new().probe(&question("ollama", stage.port, models), &access).await;
    (codes(only(&report)), stage.seen())
}

/// DET-5, DET-36: versions before 0.3 are refused, a server that lists no models lacks what it is for, and nobody is sent a login.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    let many = format!("{{\"models\":[{}", "{\"name\":\"m\"},".repeat(8000));
    for (answers, code) in [
        (answers("0.32.15", 200, "{\"models\":[]}"), EvidenceCode::CredentialAccepted),
        (answers("0.32.15", 200, &many), EvidenceCode::CredentialAccepted),
        (answers("0.2.9", 200, "{\"models\":[]}"), EvidenceCode::VersionUnsupported),
        (answers("0.32.15", 500, "{}"), EvidenceCode::CapabilityMissing),
        (answers("0.32.15", 200, "[]"), EvidenceCode::CapabilityMissing),
    ] {
        let (codes, seen) = report_of(answers, "").await;
        assert_eq!(codes.last(), Some(&code));
        assert!(!seen.contains("c4nary") && !seen.contains("Authorization"), "{seen}");
    }
}

/// DET-5, DET-21: every model that the manifest names has to be there; a name without a tag is the newest, and a list that goes on
/// without end is read as far as it came.
#[tokio::test]
async fn every_model_that_is_named_has_to_be_there() {
    let list = format!("{{\"models\":[{}", "{\"name\":\"qwen3:0.6b\"},{\"name\":\"tiny:latest\"},".repeat(4000));
    for (models, code) in [
        ("qwen3:0.6b, tiny", EvidenceCode::CredentialAccepted),
        ("tiny:latest", EvidenceCode::CredentialAccepted),
        ("qwen3", EvidenceCode::CapabilityMissing),
        ("tiny,iny", EvidenceCode::CapabilityMissing),
    ] {
        let (codes, _seen) = report_of(answers("0.32.15", 200, &list), models).await;
        assert_eq!(codes.last(), Some(&code), "{models}");
    }
}
