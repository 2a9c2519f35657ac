//! The location of an extreme of a bank in the eight bytes that the GX's Modbus-TCP server has for it.

use crate::model::BankModule;
use std::collections::BTreeSet;

/// Bytes of `/System/MinVoltageCellId` and its like on Modbus-TCP.
const MOST: usize = 8;
/// Bytes of the battery's name, the same for `C7` and `C16`.
const NAME: usize = 4;

/// `Garage C7` as `Gara C7`: the name is cut to its beginning, to its end if that tells all batteries apart (`USB0 C7`), else replaced
/// by the battery's number (`#2 C7`). A place that fits is not changed.
pub(super) fn short_place(place: &str, modules: &[BankModule]) -> String {
    let Some((name, spot)) = place.rsplit_once(' ').filter(|_| place.len() > MOST) else { return place.to_owned() };
    let room = NAME.min(MOST.saturating_sub(spot.len()).saturating_sub(1));
    let distinct = |cut: fn(&str, usize) -> &str| {
        let names: BTreeSet<&str> = modules.iter().map(|module| cut(&module.label, room)).collect();
        names.len() == modules.len() && !names.contains("")
    };
    let number = modules.iter().position(|module| module.label == name).map(|index| index.saturating_add(1));
    match number.filter(|_| distinct(|name, _| name)) {
        Some(_) if distinct(beginning) => format!("{} {spot}", beginning(name, room)),
        Some(_) if distinct(end) => format!("{} {spot}", end(name, room)),
        Some(number) => format!("#{number} {spot}"),
        // Two batteries of one name: nothing can tell them apart.
        None => format!("{} {spot}", beginning(name, room)),
    }
}

fn beginning(name: &str, room: usize) -> &str {
    let ends = name.char_indices().map(|(at, letter)| at.saturating_add(letter.len_utf8()));
    let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
    name.get(..end).unwrap_or_default().trim_end()
}

fn end(name: &str, room: usize) -> &str {
    let start = name.char_indices().map(|(at, _)| at).find(|at| name.len().saturating_sub(*at) <= room);
    start.and_then(|start| name.get(start..)).unwrap_or_default().trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(names: &[&str]) -> Vec<BankModule> {
        names.iter().map(|name| BankModule { label: (*name).to_owned(), ..BankModule::default() }).collect()
    }

    #[test]
    fn places_of_a_bank_fit_modbus_and_tell_the_batteries_apart() {
        for (names, places) in [
            (["ttyA", "ttyB"], ["ttyA C16", "ttyB C16"]),
            (["Garage", "Shed"], ["Gara C16", "Shed C16"]),
            (["ttyUSB0", "ttyUSB1"], ["USB0 C16", "USB1 C16"]),
            (["ttyUSB0__1", "ttyUSB0__2"], ["0__1 C16", "0__2 C16"]),
            (["battery one east", "battery two east"], ["#1 C16", "#2 C16"]),
            (["Küche unten", "Küche oben"], ["nten C16", "oben C16"]),
            (["氷の電池", "水の電池"], ["氷 C16", "水 C16"]),
            (["the same", "the same"], ["the C16", "the C16"]),
        ] {
            let modules = modules(&names);
            let short = names.map(|name| short_place(&format!("{name} C16"), &modules));
            assert_eq!(short, places);
            assert!(short.iter().all(|place| place.len() <= MOST), "{short:?}");
        }
        assert_eq!(short_place("Boat2 C7", &modules(&["Boat2", "Garage"])), "Boat2 C7", "it fits");
        assert_eq!(short_place("Garage C128", &modules(&["Garage"])), "Gar C128");
    }
}
