//! Manifests: which files there are, the documents in them, and the line that each field stands on.

mod documents;
mod lines;
mod words;

pub use documents::{Document, documents};

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Standard input, as a path.
const STDIN: &str = "-";
/// Endings of manifests in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file with its text.
#[derive(Clone, Debug)]
pub struct File {
    /// As people named it.
    pub name: String,
    /// Content, or why it is no text.
    pub text: Result<String, String>,
}

/// A mark that some editors put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl File {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned());
        let text = text.map(|text| match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => rest.to_owned(),
            None => text,
        });
        Self { name, text }
    }
}

/// Reads files, folders with everything below them, and standard input.
pub fn read(paths: &[PathBuf]) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
                Error::Failed(format!("standard input cannot be read: {error}"))
            })?;
            files.push(File::new("<stdin>".to_owned(), bytes));
        } else if path.is_dir() {
            let before = files.len();
            for path in below(path)? {
                files.push(file(&path)?);
            }
            if files.len() == before {
                return Err(Error::Failed(format!(
                    "{} contains no .yaml, .yml or .json file",
                    path.display()
                )));
            }
        } else {
            files.push(file(path)?);
        }
    }
    Ok(files)
}

fn file(path: &Path) -> Result<File, Error> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok(File::new(name, bytes)),
        Err(error) => Err(Error::Failed(format!("{name} cannot be read: {error}"))),
    }
}

/// Manifests below a folder, in the order of their names; hidden folders and links to folders are left out.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let refused = |error: std::io::Error| {
        Error::Failed(format!("{} cannot be read: {error}", folder.display()))
    };
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(refused)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(refused)?;
        if kind.is_dir() && !hidden {
            files.extend(below(&path)?);
        } else if path.is_file()
            && path
                .extension()
                .is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one))
        {
            files.push(path);
        }
    }
    Ok(files)
}
