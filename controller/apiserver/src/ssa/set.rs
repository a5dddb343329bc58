//! Sets of field paths: a trie whose members and children are sorted.

use std::cmp::Ordering;

use super::element::{Element, Path, Step};
use super::types::Type;

/// A set of paths. Membership of a path says nothing about its parents or children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub(crate) members: Vec<Element>,
    pub(crate) children: Vec<(Element, Set)>,
}

static EMPTY: Set = Set { members: Vec::new(), children: Vec::new() };

/// Where two sorted lists meet: an entry of the left one, of the right one, or of both.
enum Pair<L, R> {
    Left(L),
    Right(R),
    Both(L, R),
}

/// Walks two sorted lists side by side.
fn zip<'a, T, F>(left: &'a [T], right: &'a [T], key: F, mut visit: impl FnMut(Pair<&'a T, &'a T>))
where
    F: Fn(&T) -> &Element,
{
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        let order = match (left.get(i), right.get(j)) {
            (Some(left), Some(right)) => key(left).cmp(key(right)),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => visit(Pair::Left(&left[i])),
            Ordering::Greater => visit(Pair::Right(&right[j])),
            Ordering::Equal => visit(Pair::Both(&left[i], &right[j])),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
}

impl Set {
    /// A set of these paths.
    pub fn of(paths: &[&[Element]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Whether the set has no member at any depth.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.iter().all(|(_, child)| child.is_empty())
    }

    /// Number of members at all depths.
    pub fn len(&self) -> usize {
        self.members.len() + self.children.iter().map(|(_, child)| child.len()).sum::<usize>()
    }

    /// Adds a path; its parents are not added. The empty path is ignored: nobody owns a whole object.
    pub fn insert(&mut self, path: &[Element]) {
        self.insert_steps(path);
    }

    /// [`Self::insert`] by steps that become elements only where the set lacks them.
    pub(crate) fn insert_steps(&mut self, path: &[impl Step]) {
        match path {
            [] => {}
            [last] => {
                if let Err(place) = self.members.binary_search_by(|known| last.order(known).reverse()) {
                    self.members.insert(place, last.element());
                }
            }
            [first, rest @ ..] => self.descend(first).insert_steps(rest),
        }
    }

    pub(crate) fn descend(&mut self, step: &impl Step) -> &mut Set {
        let place = match self.children.binary_search_by(|(known, _)| step.order(known).reverse()) {
            Ok(place) => place,
            Err(place) => {
                self.children.insert(place, (step.element(), Set::default()));
                place
            }
        };
        &mut self.children[place].1
    }

    /// Whether `path` is a member.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.has_member(last),
            [first, rest @ ..] => self.child(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub(crate) fn has_member(&self, step: &impl Step) -> bool {
        self.members.binary_search_by(|known| step.order(known).reverse()).is_ok()
    }

    pub(crate) fn child(&self, step: &impl Step) -> Option<&Set> {
        let place = self.children.binary_search_by(|(known, _)| step.order(known).reverse()).ok()?;
        Some(&self.children[place].1)
    }

    /// The members below `element`, relative to it.
    pub(crate) fn with_prefix(&self, step: &impl Step) -> &Set {
        self.child(step).unwrap_or(&EMPTY)
    }

    /// Paths of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = Self::default();
        zip(
            &self.members,
            &other.members,
            |element| element,
            |pair| match pair {
                Pair::Left(element) | Pair::Right(element) | Pair::Both(element, _) => out.members.push(element.clone()),
            },
        );
        zip(
            &self.children,
            &other.children,
            |child| &child.0,
            |pair| match pair {
                Pair::Left(child) | Pair::Right(child) => out.children.push(child.clone()),
                Pair::Both(left, right) => out.children.push((left.0.clone(), left.1.union(&right.1))),
            },
        );
        out
    }

    /// Paths of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::default();
        zip(
            &self.members,
            &other.members,
            |element| element,
            |pair| {
                if let Pair::Both(element, _) = pair {
                    out.members.push(element.clone());
                }
            },
        );
        zip(
            &self.children,
            &other.children,
            |child| &child.0,
            |pair| {
                if let Pair::Both(left, right) = pair {
                    out.push_child(&left.0, left.1.intersection(&right.1));
                }
            },
        );
        out
    }

    /// Paths of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// Paths of this set that neither are in `other` nor lie below one that is.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract_recursively(other);
        out
    }

    /// Whether every path of this set is in `other` too.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.members.iter().all(|element| other.has_member(element))
            && self
                .children
                .iter()
                .all(|(element, child)| other.child(element).map_or_else(|| child.is_empty(), |found| child.is_within(found)))
    }

    /// Takes the paths of `other` out of this set: [`Self::difference`] in place.
    pub(crate) fn subtract(&mut self, other: &Self) {
        if !other.members.is_empty() {
            self.members.retain(|element| !other.has_member(element));
        }
        if !other.children.is_empty() {
            self.children.retain_mut(|(element, child)| {
                let Some(removed) = other.child(element) else { return true };
                child.subtract(removed);
                !child.is_empty()
            });
        }
    }

    /// Takes the paths of `other` and all below them out of this set: [`Self::recursive_difference`] in place.
    pub(crate) fn subtract_recursively(&mut self, other: &Self) {
        if !other.members.is_empty() {
            self.members.retain(|element| !other.has_member(element));
        }
        self.children.retain_mut(|(element, child)| {
            if other.has_member(element) {
                return false;
            }
            let Some(removed) = other.child(element) else { return true };
            child.subtract_recursively(removed);
            !child.is_empty()
        });
    }

    /// Appends one step with what lies below it; [`Self::sort`] has to follow. A step without a member is left out.
    pub(crate) fn push(&mut self, element: Element, is_member: bool, below: Set) {
        let has_children = !(below.members.is_empty() && below.children.is_empty());
        match (is_member, has_children) {
            (true, true) => {
                self.members.push(element.clone());
                self.children.push((element, below));
            }
            (true, false) => self.members.push(element),
            (false, true) => self.children.push((element, below)),
            (false, false) => {}
        }
    }

    /// Puts what was appended in order.
    pub(crate) fn sort(&mut self) {
        self.members.sort_unstable();
        self.children.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    }

    fn push_child(&mut self, element: &Element, child: Set) {
        if !child.is_empty() {
            self.children.push((element.clone(), child));
        }
    }

    /// The set with every declared field that has members below it added as a member.
    #[must_use]
    pub(crate) fn with_named_fields(&self, ty: &Type) -> Self {
        let atom = ty.resolve();
        let mut out = Self { members: self.members.clone(), children: Vec::with_capacity(self.children.len()) };
        for (element, child) in &self.children {
            let declared = match (element, &atom.map) {
                (Element::Field(name), Some(map)) => map.fields.get(name),
                _ => None,
            };
            if declared.is_some()
                && let Err(place) = out.members.binary_search(element)
            {
                out.members.insert(place, element.clone());
            }
            let below = match (element, &atom.map, &atom.list) {
                (Element::Field(_), Some(map), _) => declared.map(|field| &field.ty).or(map.element.as_ref()),
                (Element::Key(_), _, Some(list)) => Some(&list.element),
                _ => None,
            };
            out.children.push((element.clone(), child.with_named_fields(below.unwrap_or(Type::none()))));
        }
        out
    }

    /// Every member's path, members before the children of a level, each sorted.
    pub fn paths(&self) -> Vec<Path> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Path, out: &mut Vec<Path>) {
        for member in &self.members {
            prefix.push(member.clone());
            out.push(prefix.clone());
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, out);
            prefix.pop();
        }
    }
}
