//! The files of a corpus: `<name>.requests.json` and `<name>.answers.json` in `tests/goldens/<topic>/`.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Requests that belong together, sent in order, and where their answers lie.
pub(super) struct Corpus {
    pub(super) topic: String,
    pub(super) name: String,
    content: Value,
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The topics: the folders that hold corpora.
pub(super) fn topics() -> Vec<String> {
    let mut topics: Vec<String> = std::fs::read_dir(goldens())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "definitions")
        .collect();
    topics.sort();
    topics
}

/// The definition of a kind that corpora use.
pub(super) fn definition(name: &str) -> Value {
    read(&goldens().join("definitions").join(format!("{name}.json")))
}

/// The corpora of a topic, in the order of their names.
pub(super) fn corpora(topic: &str) -> Vec<Corpus> {
    let entries = std::fs::read_dir(goldens().join(topic)).unwrap();
    let name = |path: &str| path.strip_suffix(".requests.json").map(str::to_owned);
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.unwrap().file_name().to_str().unwrap())).collect();
    names.sort();
    assert!(!names.is_empty(), "no corpus of {topic}");
    names.into_iter().map(|name| Corpus::read(topic, name)).collect()
}

impl Corpus {
    fn read(topic: &str, name: String) -> Self {
        let content = read(&goldens().join(topic).join(format!("{name}.requests.json")));
        Self { topic: topic.to_owned(), name, content }
    }

    pub(super) fn requests(&self) -> &[Value] {
        self.content["requests"].as_array().unwrap()
    }

    /// Whether a namespace is made for this corpus alone.
    pub(super) fn wants_namespace(&self) -> bool {
        self.content["requests"].to_string().contains("${ns}")
    }

    /// Names of the definitions that are there before the first request.
    pub(super) fn definitions(&self) -> impl Iterator<Item = &str> {
        self.content["definitions"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether the server has to serve the reference's kinds as plain data.
    pub(super) fn extended(&self) -> bool {
        self.content["extended"] == true
    }

    fn answers_path(&self) -> PathBuf {
        goldens().join(&self.topic).join(format!("{}.answers.json", self.name))
    }

    /// What the reference answered.
    pub(super) fn answers(&self) -> Vec<Value> {
        serde_json::from_value(read(&self.answers_path())).unwrap()
    }

    /// Keeps what the reference answers, one answer on each line.
    pub(super) fn record(&self, answers: &[Value]) {
        let lines: Vec<String> = answers.iter().map(|answer| format!("  {answer}")).collect();
        std::fs::write(self.answers_path(), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
}
