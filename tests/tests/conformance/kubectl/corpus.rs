use std::collections::BTreeSet;
use std::path::PathBuf;

/// One line of a corpus that runs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// A line for a shell in which `kubectl` is the one under test.
    pub(super) command: String,
    /// Why Koan answers otherwise than the reference.
    pub(super) deviation: Option<String>,
    /// Not compared: it prepares or waits, and has to succeed.
    pub(super) silent: bool,
}

/// The commands of one topic, in order. Lines of `corpus/<topic>.txt` are
/// - `$ COMMAND`: run, and its output compared;
/// - `% COMMAND`: run, and its success demanded;
/// - `koan: REASON`: the next command has answers of its own on Koan;
/// - `# …` or empty.
pub(super) struct Corpus {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// Where corpora, manifests and goldens lie.
pub(super) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/kubectl").join(name)
}

impl Corpus {
    /// Every topic.
    pub(super) fn names() -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder("corpus")).expect("the corpora");
        let name = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
        entries.map(|entry| name(entry.expect("a file").path())).collect()
    }

    pub(super) fn read(name: &str) -> Self {
        let path = folder("corpus").join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).expect("a corpus");
        let (mut steps, mut deviation) = (Vec::new(), None);
        for line in text.lines() {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            match mark {
                "$" => steps.push(Step { command: rest.to_owned(), deviation: deviation.take(), silent: false }),
                "%" => steps.push(Step { command: rest.to_owned(), deviation: None, silent: true }),
                "koan:" => deviation = Some(rest.to_owned()),
                "" | "#" => {}
                other => panic!("{}: a line cannot start with {other:?}", path.display()),
            }
        }
        Self { name: name.to_owned(), steps }
    }

    /// The compared commands.
    pub(super) fn compared(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.silent)
    }
}
