//! What each role may do (API-31): one rule, asked by the guard of the socket and by access reviews alike.

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    /// The person whose server this is; callers of the same process are this person.
    #[default]
    Owner,
    /// Somebody who may look.
    Viewer,
    /// Anybody else.
    Nobody,
}

/// What is asked about; a star stands for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
}

/// The verbs of somebody who looks.
const LOOKS: [&str; 3] = ["get", "list", "watch"];
/// The questions about oneself.
const OWN_REVIEWS: [(&str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

impl Role {
    /// The name under which the role is known.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Owner => "koan:owner",
            Self::Viewer => "koan:viewer",
            Self::Nobody => "system:anonymous",
        }
    }

    /// The groups of the role.
    pub(crate) fn groups(self) -> [&'static str; 2] {
        match self {
            Self::Owner => ["system:masters", "system:authenticated"],
            Self::Viewer => ["koan:viewers", "system:authenticated"],
            Self::Nobody => ["system:unauthenticated", "system:unauthenticated"],
        }
    }

    /// The role of somebody with this name and these groups.
    pub(crate) fn of(user: &str, groups: &[&str]) -> Self {
        let is = |role: Self| user == role.user() || groups.contains(&role.groups()[0]);
        if is(Self::Owner) {
            Self::Owner
        } else if is(Self::Viewer) {
            Self::Viewer
        } else {
            Self::Nobody
        }
    }

    /// Whether the role may do it; whether it is served at all is another question.
    pub(crate) fn may(self, action: &Action<'_>) -> bool {
        match self {
            Self::Owner => true,
            Self::Nobody => false,
            Self::Viewer => {
                let Action { verb, group, resource, subresource } = *action;
                let own = verb == "create" && subresource.is_empty() && OWN_REVIEWS.contains(&(group, resource));
                let open = ["", "status", "log", "scale"].contains(&subresource);
                let hidden =
                    ["*", "watch", "proxy"].contains(&resource) || group == "*" || (group.is_empty() && resource == "secrets");
                own || (LOOKS.contains(&verb) && open && !hidden)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-31: a viewer looks at everything but Secrets, asks about itself and does nothing else; a star asks for too much.
    #[test]
    fn a_viewer_looks_and_asks_about_itself() {
        let may = |verb, group, resource, subresource| Role::Viewer.may(&Action { verb, group, resource, subresource });
        assert!(may("list", "koan.dev", "devstacks", "") && may("get", "", "pods", "log"));
        assert!(may("create", "authorization.k8s.io", "selfsubjectaccessreviews", ""));
        for (verb, group, resource, subresource) in [
            ("get", "", "secrets", ""),
            ("get", "*", "configmaps", ""),
            ("list", "", "*", ""),
            ("*", "", "pods", ""),
            ("get", "", "pods", "exec"),
            ("delete", "", "pods", ""),
            ("create", "authentication.k8s.io", "tokenreviews", ""),
        ] {
            assert!(!may(verb, group, resource, subresource), "{verb} {group}/{resource}/{subresource}");
        }
        assert!(may("get", "other.dev", "secrets", ""), "Secrets are those of the core group");
    }

    /// API-31: names and groups lead back to their role.
    #[test]
    fn names_lead_back_to_roles() {
        for role in [Role::Owner, Role::Viewer] {
            assert_eq!(Role::of(role.user(), &[]), role);
            assert_eq!(Role::of("somebody", &role.groups()), role);
        }
        assert_eq!(Role::of("somebody", &["system:authenticated"]), Role::Nobody);
    }
}
