use std::collections::BTreeMap;
use std::fmt;

/// The exceptions of a foreign suite: lines `NAME: reason`; a line that begins with `#` says something to its reader. The
/// list may only shrink: a case that passes and still is listed fails the suite.
#[derive(Clone, Debug)]
pub struct Exceptions {
    suite: String,
    reasons: BTreeMap<String, String>,
}

/// What a suite came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    suite: String,
    /// Cases that ran.
    pub run: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those that failed as the list says.
    pub listed: usize,
    /// One line each for what is not as the list says.
    pub surprises: Vec<String>,
}

impl Exceptions {
    /// Reads the list of a suite.
    ///
    /// # Panics
    /// A line has no reason, or a name stands twice.
    pub fn of(suite: &str, text: &str) -> Self {
        let mut reasons = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, reason) = line.split_once(": ").unwrap_or_else(|| panic!("{suite}: no reason in '{line}'"));
            assert!(!reason.trim().is_empty(), "{suite}: {name} has an empty reason");
            let before = reasons.insert(name.to_owned(), reason.trim().to_owned());
            assert!(before.is_none(), "{suite}: {name} stands twice");
        }
        Self { suite: suite.to_owned(), reasons }
    }

    /// Compares what the cases did with the list; an error is what the case said when it failed.
    pub fn tally<N: AsRef<str>>(&self, cases: impl IntoIterator<Item = (N, Result<(), String>)>) -> Tally {
        let mut tally = Tally { suite: self.suite.clone(), run: 0, passed: 0, listed: 0, surprises: Vec::new() };
        let mut unseen = self.reasons.clone();
        for (name, outcome) in cases {
            let listed = unseen.remove(name.as_ref());
            tally.run += 1;
            tally.passed += usize::from(outcome.is_ok());
            match (outcome, listed) {
                (Ok(()), None) => {}
                (Err(_), Some(_)) => tally.listed += 1,
                (Ok(()), Some(reason)) => {
                    tally.surprises.push(format!("{} passes: take it from the list ({reason})", name.as_ref()));
                }
                (Err(error), None) => tally.surprises.push(format!("{} failed: {error}", name.as_ref())),
            }
        }
        tally.surprises.extend(unseen.keys().map(|name| format!("{name} is listed and did not run")));
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} run, {} passed, {} listed", self.suite, self.run, self.passed, self.listed)
    }
}

impl Tally {
    /// Prints the line of the suite.
    ///
    /// # Panics
    /// Something is not as the list says, or nothing ran.
    pub fn settle(&self) {
        println!("{self}");
        assert!(self.run > 0, "{}: nothing ran", self.suite);
        assert!(self.surprises.is_empty(), "{self}\n{}", self.surprises.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(outcomes: &[(&'static str, bool)]) -> Vec<(&'static str, Result<(), String>)> {
        outcomes.iter().map(|(name, good)| (*name, if *good { Ok(()) } else { Err("why".to_owned()) })).collect()
    }

    /// REL-11: a list excuses what it names and nothing else, and it may only shrink.
    #[test]
    fn a_list_excuses_what_it_names_and_nothing_else() {
        let list = Exceptions::of("zoo", "# animals\nlion: it bites\n\nnewt::a: it hides\n");
        let good = list.tally(cases(&[("lion", false), ("newt::a", false), ("owl", true)]));
        assert_eq!(good.to_string(), "zoo: 3 run, 1 passed, 2 listed");
        good.settle();

        let bad = list.tally(cases(&[("lion", true), ("owl", false)]));
        let said = ["lion passes: take it from the list (it bites)", "owl failed: why", "newt::a is listed and did not run"];
        assert_eq!(bad.surprises, said);
    }

    /// REL-11: an exception without a reason is none.
    #[test]
    #[should_panic(expected = "no reason in 'lion'")]
    fn an_exception_needs_a_reason() {
        Exceptions::of("zoo", "lion");
    }
}
