//! Sets written under an older schema, fitted to the present one: what became atomic is owned as a whole.

use crate::ssa::element::Element;
use crate::ssa::set::Set;
use crate::ssa::types::{ListType, MapType, Relation, Scalar, Type};

/// The fitted set, `None` where nothing changed.
pub(in crate::ssa) fn reconcile(ty: &Type, fields: &Set) -> Option<Set> {
    let mut roots = Set::default();
    walk(ty, Some(fields), false, &mut Vec::new(), &mut roots);
    if roots.is_empty() { None } else { Some(fields.recursive_difference(&roots).union(&roots)) }
}

/// The steps to where a walk stands.
type Steps<'a> = Vec<&'a Element>;

fn insert(roots: &mut Set, path: &Steps<'_>) {
    let path: Vec<Element> = path.iter().map(|element| (*element).clone()).collect();
    roots.insert(&path);
}

fn walk<'a>(ty: &Type, fields: Option<&'a Set>, atomic_member: bool, path: &mut Steps<'a>, roots: &mut Set) {
    let atom = ty.resolve();
    if let Some(map) = &atom.map {
        if is_free(map) {
            return;
        }
        if !atomic_member && map.atomic {
            if fields.is_some_and(|fields| !fields.is_empty()) {
                insert(roots, path);
            }
            return;
        }
        children(fields, path, roots, |element| match element {
            Element::Field(name) => map.member(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => map.element.as_ref(),
        });
    } else if let (None, Some(list)) = (atom.scalar, &atom.list) {
        if !atomic_member && list.relation == Relation::Atomic {
            insert(roots, path);
            return;
        }
        let ListType { element, .. } = list;
        children(fields, path, roots, |_| Some(element));
    }
}

fn children<'a, 't>(fields: Option<&'a Set>, path: &mut Steps<'a>, roots: &mut Set, ty: impl Fn(&Element) -> Option<&'t Type>) {
    let Some(fields) = fields else { return };
    let below = fields.children.iter().map(|(element, _)| (element, false)).filter(|(element, _)| !fields.has_member(*element));
    let members = fields.members.iter().map(|element| (element, true));
    for (element, is_member) in below.chain(members) {
        let Some(ty) = ty(element) else { continue };
        let child = fields.child(element);
        path.push(element);
        walk(ty, child, is_member && child.is_none(), path, roots);
        path.pop();
    }
}

/// Maps of undeclared fields only: their types are deduced, so nothing can have changed.
fn is_free(map: &MapType) -> bool {
    let deduced = match &map.element {
        Some(Type::Deduced) => true,
        Some(Type::Inline(atom)) => atom.scalar == Some(Scalar::Untyped),
        Some(Type::Scalar(scalar)) => *scalar == Scalar::Untyped,
        Some(Type::Untyped | Type::Nothing) | None => false,
    };
    deduced && map.fields.is_empty()
}
