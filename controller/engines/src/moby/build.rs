//! Local builds: the context as a stream, confined to its folder, `.dockerignore` honoured, output in the log (ENG-8).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures::StreamExt;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use koan_core::outcome::Failure;
use koan_core::workload::BuildSpec;
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::engine::Moby;
use super::failure::words_of;

/// Longest build.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// Most entries of a context.
const ENTRIES_MAX: usize = 200_000;
/// Bytes per piece of the stream, and pieces that are read ahead.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES_AHEAD: usize = 16;
/// Largest `.dockerignore`.
const IGNORE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a context cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    #[error("{what} {path} leaves the build context {context}")]
    Outside { what: &'static str, path: PathBuf, context: PathBuf },
    #[error("the build context has more than {ENTRIES_MAX} entries; list what is not needed in .dockerignore")]
    TooMany,
    #[error("cannot read {path}: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A context that was checked: real folder, Dockerfile inside it, rules of what stays out.
pub(crate) struct BuildContext {
    root: PathBuf,
    dockerfile: PathBuf,
    rules: Gitignore,
}

impl Moby {
    /// Builds an image and tags it.
    pub(crate) async fn build(&self, reference: &str, spec: &BuildSpec) -> Result<(), Failure> {
        let context = BuildContext::open(Path::new(&spec.context), Path::new(&spec.dockerfile))
            .map_err(|error| build_failure(reference, FailureClass::Invalid, &error.to_string()))?;
        let arguments: HashMap<String, String> = spec.args.iter().cloned().collect();
        let mut options = BuildImageOptionsBuilder::default()
            .dockerfile(&context.dockerfile.to_string_lossy())
            .t(reference)
            .buildargs(&arguments)
            .rm(true)
            .forcerm(true);
        if let Some(target) = &spec.target {
            options = options.target(target);
        }
        let (pieces, failed) = context.stream();
        let body = bollard::body_try_stream(ReceiverStream::new(pieces));
        let docker = self.transport.with_deadline(BUILD_LIMIT);
        let mut output = Box::pin(docker.build_image(options.build(), None, Some(body)));
        let run = async {
            while let Some(line) = output.next().await {
                let line = line?;
                if let Some(detail) = line.error_detail {
                    return Err(Error::DockerStreamError { error: detail.message.unwrap_or_default() });
                }
                if let Some(text) = line.stream.as_deref().map(str::trim_end).filter(|text| !text.is_empty()) {
                    tracing::info!(target: "koan_engines::build", image = reference, "{text}");
                }
            }
            Ok(())
        };
        let result = tokio::time::timeout(BUILD_LIMIT, run).await;
        // What stopped the context's own reading explains more than the cut connection.
        if let Ok(error) = failed.await {
            return Err(build_failure(reference, FailureClass::Invalid, &error.to_string()));
        }
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ Error::DockerStreamError { .. })) => {
                Err(build_failure(reference, FailureClass::Invalid, &words_of(&error)))
            }
            Ok(Err(error)) => Err(self.failed("build", reference, &error)),
            Err(_) => Err(build_failure(reference, FailureClass::Transient, "it took longer than an hour")),
        }
    }
}

fn build_failure(reference: &str, class: FailureClass, words: &str) -> Failure {
    Failure {
        class,
        reason: Reason::ImagePullFailed,
        message: format!("the build of {reference} failed: {words}"),
        remedy: Some("correct the Dockerfile or its context; the whole output is in the log".to_owned()),
    }
}

impl BuildContext {
    /// Checks a context: after every link is resolved, the Dockerfile lies inside the folder.
    pub(crate) fn open(context: &Path, dockerfile: &Path) -> Result<Self, ContextError> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|source| ContextError::Io { path: path.to_owned(), source });
        let root = real(context)?;
        let file = real(&root.join(dockerfile))?;
        let Ok(dockerfile) = file.strip_prefix(&root).map(Path::to_owned) else {
            return Err(ContextError::Outside { what: "Dockerfile", path: file, context: root });
        };
        let rules = rules_of(&root, &dockerfile)?;
        Ok(Self { root, dockerfile, rules })
    }

    /// The context as an uncompressed tar in pieces; the second half speaks where reading failed.
    fn stream(self) -> (mpsc::Receiver<io::Result<Bytes>>, tokio::sync::oneshot::Receiver<ContextError>) {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let (report, failed) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces { sender: sender.clone(), piece: Vec::with_capacity(PIECE_BYTES) };
            if let Err(error) =
                self.write(&mut pieces).and_then(|()| pieces.flush().map_err(|source| self.io(&self.root, source)))
            {
                // Both receivers may be gone with the request; then nobody needs to know.
                let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
                let _ = report.send(error);
            }
        });
        (receiver, failed)
    }

    /// Writes the archive. Links are stored as links, never followed, so nothing outside the folder is read.
    pub(crate) fn write(&self, target: &mut impl Write) -> Result<(), ContextError> {
        let mut archive = tar::Builder::new(target);
        archive.follow_symlinks(false);
        archive.mode(tar::HeaderMode::Deterministic);
        for path in self.entries()? {
            let full = self.root.join(&path);
            archive.append_path_with_name(&full, &path).map_err(|source| self.io(&full, source))?;
        }
        archive.finish().map_err(|source| self.io(&self.root, source))
    }

    /// Relative paths that are sent, sorted.
    pub(crate) fn entries(&self) -> Result<Vec<PathBuf>, ContextError> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let full = self.root.join(&folder);
            for entry in fs::read_dir(&full).map_err(|source| self.io(&full, source))? {
                let entry = entry.map_err(|source| self.io(&full, source))?;
                let kind = entry.file_type().map_err(|source| self.io(&entry.path(), source))?;
                let path = folder.join(entry.file_name());
                let sent = self.is_sent(&path, kind.is_dir());
                if kind.is_dir() && (sent || self.rules.num_whitelists() > 0) {
                    // Below an ignored folder a later rule may let a file in again.
                    folders.push(path.clone());
                }
                if sent && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                    found.push(path);
                }
                if found.len() > ENTRIES_MAX {
                    return Err(ContextError::TooMany);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn is_sent(&self, path: &Path, is_dir: bool) -> bool {
        // The builder needs both, whatever the rules say.
        path == self.dockerfile
            || path == Path::new(".dockerignore")
            || !self.rules.matched_path_or_any_parents(path, is_dir).is_ignore()
    }

    fn io(&self, path: &Path, source: io::Error) -> ContextError {
        ContextError::Io { path: path.to_owned(), source }
    }
}

/// Rules of `<Dockerfile>.dockerignore`, else of `.dockerignore`; each is anchored at the context, unlike those of git.
fn rules_of(root: &Path, dockerfile: &Path) -> Result<Gitignore, ContextError> {
    let own = root.join(format!("{}.dockerignore", dockerfile.display()));
    let file = if own.is_file() { own } else { root.join(".dockerignore") };
    let fail = |source| ContextError::Io { path: file.clone(), source };
    let text = match fs::metadata(&file) {
        Ok(facts) if facts.len() > IGNORE_BYTES_MAX => return Err(fail(io::Error::other("it is larger than 1 MiB"))),
        Ok(_) => fs::read_to_string(&file).map_err(fail)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fail(error)),
    };
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (mark, pattern) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest.trim()));
        let pattern = pattern.trim_start_matches("./").trim_matches('/');
        let rule = if pattern == "." { "*".to_owned() } else { format!("/{pattern}") };
        builder.add_line(None, &format!("{mark}{rule}")).map_err(|error| fail(io::Error::other(error)))?;
    }
    builder.build().map_err(|error| fail(io::Error::other(error)))
}

/// Cuts a byte stream into pieces of a bounded channel.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (PIECE_BYTES - self.piece.len()).min(bytes.len());
        self.piece.extend_from_slice(&bytes[..room]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn sent(folder: &Path) -> Vec<String> {
        let context = BuildContext::open(folder, Path::new("Dockerfile")).unwrap();
        context.entries().unwrap().iter().map(|path| path.display().to_string()).collect()
    }

    /// ENG-8: `.dockerignore` is anchored, `!` lets a file below an ignored folder in again, the Dockerfile always goes along.
    #[test]
    fn the_context_honours_dockerignore() {
        let folder = context(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "# note\ntarget\n*.md\n!target/keep\nDockerfile\n**/secret\n"),
            ("target/big", "x"),
            ("target/keep", "x"),
            ("docs/read.md", "x"),
            ("readme.md", "x"),
            ("a/b/secret", "x"),
            ("src/target", "x"),
        ]);
        let expected = [".dockerignore", "Dockerfile", "a", "a/b", "docs", "docs/read.md", "src", "src/target", "target/keep"];
        assert_eq!(sent(folder.path()), expected);
    }

    /// ENG-8, SEC-6: a link is sent as a link, so what it points at outside the folder never enters the archive.
    #[cfg(unix)]
    #[test]
    fn sec_6_links_out_of_the_context_are_not_followed() {
        let outside = context(&[("secret", "do not send")]);
        let folder = context(&[("Dockerfile", "FROM scratch")]);
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        let mut archive = Vec::new();
        BuildContext::open(folder.path(), Path::new("Dockerfile")).unwrap().write(&mut archive).unwrap();
        assert!(!String::from_utf8_lossy(&archive).contains("do not send"));

        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("Linked")).unwrap();
        let error = BuildContext::open(folder.path(), Path::new("Linked")).err().unwrap();
        assert!(matches!(error, ContextError::Outside { .. }), "{error}");
        assert!(matches!(BuildContext::open(folder.path(), Path::new("absent")), Err(ContextError::Io { .. })));
    }
}
