//! The kubeconfig of one run.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KubeconfigError, private};

/// The first line of every file that is ours to replace.
const MARK: &str = "# written by koan for one run; replaced at the next start";

/// A complete kubeconfig for `server` with the token inside, for clients that read no token file.
pub(crate) fn of_run(server: &str, ca_pem: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca_pem);
    format!(
        "{MARK}\napiVersion: v1\nkind: Config\nclusters:\n- name: koan\n  cluster:\n    certificate-authority-data: {ca}\n    server: \
         {server}\ncontexts:\n- name: koan\n  context:\n    cluster: koan\n    user: koan\ncurrent-context: koan\nusers:\n- name: \
         koan\n  user:\n    token: {token}\n"
    )
}

/// Puts `text` at `path`, unless a file that is not ours stands there.
///
/// # Errors
/// The file is foreign or cannot be written.
pub(crate) fn replace_own(path: &Path, text: &str) -> Result<(), KubeconfigError> {
    match std::fs::read_to_string(path) {
        Ok(found) if !found.starts_with(MARK) => return Err(KubeconfigError::Foreign { path: path.to_owned() }),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(cause) => return Err(KubeconfigError::File { path: path.to_owned(), cause }),
    }
    private::write(path, text.as_bytes())
}
