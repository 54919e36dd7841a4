//! Names that are unique in a list: clients merge or refuse entries of the same name.

use std::collections::HashSet;

use crate::domain::link::NAME;

/// Names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Names that nothing may have: groups, and what the format itself calls so.
    pub(super) fn reserving(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// `name`, or `name 2` if it is taken, and so on; a long one gives way to its number, because who reads a list may cut names.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "Server" } else { name };
        let numbered = (2_u32..).map(|number| {
            let number = format!(" {number}");
            name.chars().take(NAME.saturating_sub(number.len())).chain(number.chars()).collect()
        });
        let free = core::iter::once(name.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or_default();
        self.0.insert(free.clone());
        free
    }

    /// Gives a name back that no entry came to have.
    pub(super) fn free(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_list_is_its_own_and_none_is_empty() {
        let mut names = Names::reserving(&["DIRECT"]);
        let given: Vec<String> = ["a", "a", "", "b", "a", "a 2", "DIRECT", ""].map(|name| names.unique(name)).into();
        let long = "я".repeat(NAME);
        assert_eq!(names.unique(&long), long);
        assert_eq!(names.unique(&long), format!("{} 2", "я".repeat(NAME - 2)));
        assert_eq!(given, ["a", "a 2", "Server", "b", "a 3", "a 2 2", "DIRECT 2", "Server 2"]);
    }
}
