//! Whether a service takes part, by what speaks for it: the manifest and explicit settings, a configuration that a recipe knows, or a
//! package alone (section 5 of the command line's rules). A package is a hint and never a start.

use koan_crds::v1alpha1::ProvisioningMode;
use koan_crds::vocabulary::Reason;

/// What speaks for a service that no manifest lists; the stronger is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sighting {
    /// Its client is among the packages of the project.
    Package,
    /// A connection string, a variable or a compose service names it.
    Configured,
    /// A setting that is made for Koan names it.
    Explicit,
}

/// What kind of product it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// A server like any other.
    Server,
    /// Costs so much to run that somebody has to ask for it.
    Heavy,
    /// A library over files: there is nothing to run.
    Files,
}

/// `Activated` of a service: listed in the manifest with a mode, or seen. `None` where nothing speaks for it.
pub fn activation(listed: Option<ProvisioningMode>, seen: Option<Sighting>, nature: Nature) -> Option<Reason> {
    match (listed, nature, seen) {
        (Some(ProvisioningMode::Disabled), _, _) => Some(Reason::Disabled),
        (Some(ProvisioningMode::Auto | ProvisioningMode::Always | ProvisioningMode::Never), _, _) => Some(Reason::ExplicitConfig),
        (None, _, None) => None,
        (None, Nature::Files, Some(_)) => Some(Reason::NotContainerisable),
        (None, _, Some(Sighting::Explicit)) => Some(Reason::ExplicitConfig),
        (None, Nature::Heavy, Some(_)) => Some(Reason::OptInRequired),
        (None, Nature::Server, Some(Sighting::Configured)) => Some(Reason::RecipeMatched),
        (None, Nature::Server, Some(Sighting::Package)) => Some(Reason::HintOnly),
    }
}

/// True where that reason makes a service take part.
pub fn takes_part(reason: Reason) -> bool {
    matches!(reason, Reason::ExplicitConfig | Reason::RecipeMatched)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-24: the activation matrix: source × listed or not × kind of product; a package never makes a service take part.
    #[test]
    fn the_activation_matrix_holds() {
        use Nature::{Files, Heavy, Server};
        use Sighting::{Configured, Explicit, Package};
        let rows = [
            (Server, None, None),
            (Server, Some(Package), Some(Reason::HintOnly)),
            (Server, Some(Configured), Some(Reason::RecipeMatched)),
            (Server, Some(Explicit), Some(Reason::ExplicitConfig)),
            (Heavy, None, None),
            (Heavy, Some(Package), Some(Reason::OptInRequired)),
            (Heavy, Some(Configured), Some(Reason::OptInRequired)),
            (Heavy, Some(Explicit), Some(Reason::ExplicitConfig)),
            (Files, None, None),
            (Files, Some(Package), Some(Reason::NotContainerisable)),
            (Files, Some(Configured), Some(Reason::NotContainerisable)),
            (Files, Some(Explicit), Some(Reason::NotContainerisable)),
        ];
        for (nature, seen, expected) in rows {
            let found = activation(None, seen, nature);
            assert_eq!(found, expected, "{nature:?} {seen:?}");
            assert!(seen != Some(Package) || !found.is_some_and(takes_part), "{nature:?}: a package starts nothing");
            for mode in [ProvisioningMode::Auto, ProvisioningMode::Always, ProvisioningMode::Never] {
                assert_eq!(activation(Some(mode), seen, nature), Some(Reason::ExplicitConfig), "{nature:?} {seen:?} {mode:?}");
            }
            assert_eq!(activation(Some(ProvisioningMode::Disabled), seen, nature), Some(Reason::Disabled));
        }
    }
}
