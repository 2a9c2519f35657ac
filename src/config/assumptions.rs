//! Answers (`assume`) about another family than that of the battery or port they are written for: they would have no effect.

use super::parse::Scope;
use super::problem::{Origin, Problem};
use super::{Entry, Settings};
use crate::bms::DRIVERS;
use crate::link::port_name;
use crate::model::Assumption;

/// One problem per such line of the file.
pub(super) fn of_other_families(entries: &[Entry]) -> Vec<Problem> {
    let written = || entries.iter().filter(|entry| matches!(entry.origin, Origin::Line(_)));
    let families = |wanted: &dyn Fn(&Scope) -> bool| {
        let named = written().filter(|entry| entry.key.path == "bms" && wanted(&entry.scope));
        let named: Vec<&str> = named.flat_map(|entry| settings(entry).bms).collect();
        (!named.is_empty()).then_some(named)
    };
    let of_file = families(&|scope| *scope == Scope::File);
    let check = |entry: &Entry| {
        let possible = match &entry.scope {
            Scope::Battery(id) => family_of(id).map(|family| vec![family]),
            Scope::Port(name) => families(&|scope| matches!(scope, Scope::Port(other) if port_name(other) == port_name(name)))
                .or_else(|| of_file.clone()),
            // A port may name other families.
            Scope::File => of_file.as_ref().and_then(|_| families(&|_| true)),
        }?;
        let is_foreign = |answer: &Assumption| !possible.contains(&answer.question.family);
        let answer = settings(entry).charge.assume.into_iter().find(is_foreign)?;
        let text = format!(
            "`assume` = \"{}\" is about `{}`, but {} is `{}`; remove it, or move it to the battery that it is about",
            answer.name(),
            answer.question.family,
            entry.scope,
            possible.join("` or `")
        );
        Some(Problem::new(entry.origin.clone(), text))
    };
    written().filter(|entry| entry.key.path == "assume").filter_map(check).collect()
}

fn settings(entry: &Entry) -> Settings {
    let mut settings = Settings::default();
    settings.apply(&[entry]);
    settings
}

/// The family with whose name an identity begins: `daren_4711`.
fn family_of(id: &str) -> Option<&'static str> {
    let (family, _) = id.split_once('_')?;
    DRIVERS.iter().map(|driver| driver.name).find(|name| *name == family)
}
