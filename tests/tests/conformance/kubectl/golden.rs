use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::Heard;
use super::corpus::{Corpus, folder};

/// Stands behind text whose last line has no end.
const OPEN_END: &str = "\\ no end of line";

/// What one command printed, as lines of a golden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer(String);

impl Answer {
    pub(super) fn new(code: i32, stdout: &str, stderr: &str) -> Self {
        Self(format!("= {code}\n{}{}", marked("|", stdout), marked("!", stderr)))
    }
}

fn marked(mark: &str, text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let _ = writeln!(lines, "{}", format!("{mark} {line}").trim_end_matches(' '));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let _ = writeln!(lines, "{mark}{OPEN_END}");
    }
    lines
}

/// Which server an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Reference,
    Koan,
}

impl Server {
    fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Koan => "koan",
        }
    }
}

/// One command with the answers of the minors.
struct Entry {
    command: String,
    reference: BTreeMap<String, Answer>,
    /// Where Koan departs on purpose.
    koan: BTreeMap<String, Answer>,
}

/// The answers of one topic.
pub(super) struct Golden {
    path: PathBuf,
    entries: Vec<Entry>,
}

fn path(topic: &Corpus) -> PathBuf {
    folder("goldens").join(format!("{}.txt", topic.name))
}

impl Golden {
    /// From what both servers answered.
    pub(super) fn of(topic: &Corpus, reference: &Heard, koan: &Heard) -> Self {
        let at =
            |heard: &Heard, index: usize| heard.iter().map(|(minor, all)| ((*minor).to_owned(), all[index].clone())).collect();
        let entry = |(index, step): (usize, &super::corpus::Step)| Entry {
            command: step.command.clone(),
            reference: at(reference, index),
            koan: if step.deviation.is_some() { at(koan, index) } else { BTreeMap::new() },
        };
        Self { path: path(topic), entries: topic.compared().enumerate().map(entry).collect() }
    }

    /// From the committed file, which has to have the commands of the corpus.
    pub(super) fn read(topic: &Corpus) -> Self {
        let path = path(topic);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden =
            Self { entries: text.split("\n$ ").map(|block| Entry::read(block.trim_start_matches("$ "))).collect(), path };
        let commands: Vec<_> = golden.entries.iter().map(|entry| entry.command.as_str()).collect();
        let wanted: Vec<_> = topic.compared().map(|step| step.command.as_str()).collect();
        assert_eq!(commands, wanted, "{}: not recorded from this corpus", golden.path.display());
        golden
    }

    /// Writes the file anew.
    pub(super) fn write(&self) {
        let text: Vec<_> = self.entries.iter().map(Entry::text).collect();
        std::fs::create_dir_all(folder("goldens")).expect("a folder");
        std::fs::write(&self.path, text.join("\n")).expect("a golden");
    }

    /// Each command and whether all minors heard from Koan's server what they hear from the reference. A command with answers of
    /// Koan's own is a second case: those are as recorded.
    pub(super) fn cases(&self, heard: &Heard) -> Vec<(String, Result<(), String>)> {
        let mut cases = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let name = self.name(index);
            let compared = |server: Server, golden: &BTreeMap<String, Answer>| {
                let answers = heard.iter().filter_map(|(minor, all)| Some((*minor, golden.get(*minor), all.get(index)?)));
                let differences: Vec<_> = answers.filter(|(_, golden, answer)| *golden != Some(answer)).collect();
                let told = |(minor, golden, answer): &(&str, Option<&Answer>, &Answer)| {
                    let golden = golden.map_or("(not recorded)\n", |golden| golden.0.as_str());
                    format!("\n$ {}\n--- {} {minor}\n{golden}+++ heard\n{}", entry.command, server.word(), answer.0)
                };
                if differences.is_empty() { Ok(()) } else { Err(differences.iter().map(told).collect::<String>()) }
            };
            if !entry.koan.is_empty() {
                cases.push((format!("{name} as Koan"), compared(Server::Koan, &entry.koan)));
            }
            cases.push((name, compared(Server::Reference, &entry.reference)));
        }
        cases
    }

    /// The lines of the corpus that say why Koan departs, for a list of exceptions.
    pub(super) fn exceptions(&self, topic: &Corpus) -> Vec<String> {
        let reasons = topic.compared().enumerate().filter_map(|(index, step)| Some((index, step.deviation.as_ref()?)));
        reasons.map(|(index, reason)| format!("{}: {reason}", self.name(index))).collect()
    }

    fn name(&self, index: usize) -> String {
        let topic = self.path.file_stem().expect("a name").to_string_lossy();
        format!("{topic} {}", index + 1)
    }
}

impl Entry {
    /// Minors with the same answer share it.
    fn text(&self) -> String {
        let mut text = format!("$ {}\n", self.command);
        for (server, answers) in [(Server::Reference, &self.reference), (Server::Koan, &self.koan)] {
            let mut groups: Vec<(Vec<&str>, &Answer)> = Vec::new();
            for (minor, answer) in answers {
                match groups.iter_mut().find(|(_, known)| *known == answer) {
                    Some((minors, _)) => minors.push(minor),
                    None => groups.push((vec![minor], answer)),
                }
            }
            for (minors, answer) in groups {
                let _ = write!(text, "@ {} {}\n{}", server.word(), minors.join(" "), answer.0);
            }
        }
        text
    }

    fn read(block: &str) -> Self {
        let mut parts = block.split("\n@ ");
        let command = parts.next().unwrap_or_default().to_owned();
        let mut entry = Self { command, reference: BTreeMap::new(), koan: BTreeMap::new() };
        for part in parts {
            let (head, answer) = part.split_once('\n').expect("an answer");
            let mut words = head.split(' ');
            let answers = match words.next() {
                Some("reference") => &mut entry.reference,
                Some("koan") => &mut entry.koan,
                other => panic!("{}: an answer of {other:?}", entry.command),
            };
            let answer = Answer(format!("{}\n", answer.trim_end_matches('\n')));
            answers.extend(words.map(|minor| (minor.to_owned(), answer.clone())));
        }
        entry
    }
}
