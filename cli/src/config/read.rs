use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keys::{Form, KEYS, Key};
use crate::failure::{Failure, Location, Problem, suggest};
use crate::manifest::{Kind, Node, read_tree};

/// A value as text, with its place; the items of a list are joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    /// `file:line:column key`.
    pub(crate) place: String,
}

/// One settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigFile(BTreeMap<&'static str, Value>);

/// Both files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) project: ConfigFile,
    pub(crate) user: ConfigFile,
}

/// Name of the project file inside the project folder.
const PROJECT_FILE: &str = ".koan/config.yaml";

impl ConfigFile {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Reads a file; one that is not there is empty.
    ///
    /// # Errors
    /// [`Failure::ReadFile`], or every violation of the schema with its place.
    fn read(path: &Path, user: bool) -> Result<Self, Failure> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(Failure::ReadFile { path: path.to_path_buf(), source }),
        };
        Self::parse(&path.display().to_string(), &bytes, user)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub(super) fn parse(file: &str, bytes: &[u8], user: bool) -> Result<Self, Failure> {
        let Some(tree) = read_tree(file, bytes)? else { return Ok(Self::default()) };
        let mut problems = Vec::new();
        let mut refuse = |node: &Node, path: &str, message: String, hint: String| {
            let location = Location { file: file.to_owned(), line: node.at.line, column: node.at.column, path: path.to_owned() };
            problems.push(Problem { reason: "Invalid".to_owned(), message, location, hint: Some(hint) });
        };
        let Kind::Map(entries) = &tree.kind else {
            refuse(&tree, "", "no settings: key: value is expected".to_owned(), "see docs/config.md".to_owned());
            return Err(Failure::Settings { problems });
        };
        let mut found = BTreeMap::new();
        for (name, at, node) in entries {
            let place = Node { kind: Kind::Null, at: *at };
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                let nearest = suggest(name, KEYS.iter().map(|key| key.name.to_owned()));
                let hint =
                    if nearest.is_empty() { "remove it".to_owned() } else { format!("did you mean {}?", nearest.join(", ")) };
                refuse(&place, name, format!("unknown key `{name}`"), hint);
                continue;
            };
            if key.user_only && !user {
                let hint = "move it to the user file, which no repository can bring along".to_owned();
                refuse(&place, name, format!("`{name}` relaxes a protection and counts in the user file only"), hint);
                continue;
            }
            match text(key, node) {
                Some(text) => {
                    found.insert(key.name, Value { text, place: format!("{file}:{}:{} {name}", at.line, at.column) });
                }
                None => refuse(node, name, format!("`{name}` has another form"), format!("write {name}: {}", key.example)),
            }
        }
        if problems.is_empty() { Ok(Self(found)) } else { Err(Failure::Settings { problems }) }
    }
}

fn text(key: &Key, node: &Node) -> Option<String> {
    match (key.form, &node.kind) {
        (Form::Text, Kind::Text(text)) if !text.is_empty() => Some(text.clone()),
        (Form::Switch, Kind::Bool(value)) => Some(value.to_string()),
        (Form::Number, Kind::Number(number)) => number.as_u64().map(|number| number.to_string()),
        (Form::List, Kind::List(items)) => {
            let words: Option<Vec<&str>> = items
                .iter()
                .map(|item| match &item.kind {
                    Kind::Text(text) if !text.contains(',') => Some(text.as_str()),
                    Kind::Text(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
                })
                .collect();
            Some(words?.join(","))
        }
        (Form::Text | Form::Switch | Form::Number | Form::List, _) => None,
    }
}

impl Files {
    /// Reads the project file, searched from `working` up to the root of the repository, and the user file.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub(crate) fn read(working: &Path, user: Option<PathBuf>) -> Result<Self, Failure> {
        let mut project = ConfigFile::default();
        for folder in working.ancestors() {
            let path = folder.join(PROJECT_FILE);
            if path.is_file() {
                project = ConfigFile::read(&path, false)?;
                break;
            }
            if folder.join(".git").exists() {
                break;
            }
        }
        let user = user.map(|path| ConfigFile::read(&path, true)).transpose()?.unwrap_or_default();
        Ok(Self { project, user })
    }
}
