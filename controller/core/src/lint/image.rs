//! Image references: an exact tag, and places that are places (DET-37).

use std::collections::BTreeSet;

use crate::recipe::{ImageName, Recipe};

use super::{Finding, finding};

/// Faults of a row's image.
pub(super) fn faults(row: &Recipe) -> Vec<Finding> {
    let image = &row.image;
    let mut findings = Vec::new();
    if !is_exact(image.tag, row.version_parts) {
        let message = format!("`{}` is no exact version: it moves on to other images", image.tag);
        findings.push(finding(row, "image.tag", message, format!("name one release, with its {} numbers", row.version_parts)));
    }
    let mut places = BTreeSet::new();
    for (field, registry, repository) in places_of(image) {
        if !is_host(registry) {
            findings.push(finding(row, field, format!("`{registry}` is no registry"), "name its host, such as docker.io"));
        }
        if !is_repository(repository) {
            let remedy = "write its path in lower case, without registry and tag, such as library/NAME";
            let remedy = if repository.is_empty() { "name the path of the image in its registry" } else { remedy };
            findings.push(finding(row, field, format!("`{repository}` is no repository"), remedy));
        }
        if !places.insert((registry, repository)) {
            findings.push(finding(row, field, format!("{registry}/{repository} stands twice"), "remove one of them"));
        }
    }
    findings
}

fn places_of(image: &ImageName) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mirrors = image.mirrors.iter().map(|(registry, repository)| ("image.mirrors", *registry, *repository));
    std::iter::once(("image", image.registry, image.repository)).chain(mirrors)
}

/// True for a tag that stands for one release: the first word with a digit holds as many numbers as a version of the product has, or
/// the tag is dated, or it is a cumulative update of a year.
fn is_exact(tag: &str, parts: usize) -> bool {
    let mut words = tag.split('-').skip_while(|word| !word.contains(|letter: char| letter.is_ascii_digit()));
    let Some(first) = words.next() else { return false };
    let numbers: Vec<&str> = first.trim_start_matches('v').split('.').collect();
    let whole = numbers.iter().all(|number| !number.is_empty() && number.chars().all(|letter| letter.is_ascii_digit()));
    if whole && numbers.len() >= parts {
        return true;
    }
    let year = numbers.last().is_some_and(|number| number.len() == 4 && is_number(number));
    year && words.next().is_some_and(|next| next.strip_prefix("CU").map_or_else(|| next.len() == 2 && is_number(next), is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit())
}

fn is_host(registry: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':');
    registry.contains('.') && registry.chars().all(letter)
}

fn is_repository(repository: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '-' | '_');
    repository.split('/').all(|part| !part.is_empty() && part.chars().all(letter))
}
