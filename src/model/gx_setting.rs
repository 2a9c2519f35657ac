//! A setting that exists both in the configuration and on the GX: the value in force, and the remedy. Pure.

/// A setting whose value on the GX differs from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GxSetting {
    /// Key in the configuration.
    pub key: &'static str,
    /// Name on the GX.
    pub name: &'static str,
    /// Path in `com.victronenergy.settings`.
    pub path: String,
    /// Value on the GX.
    pub gx: String,
    /// Value in the configuration; `None` if it is not set there.
    pub file: Option<String>,
    /// Why the value on the GX is refused; `None`: it is in force.
    pub refused: Option<String>,
    /// Bound of the value on the GX, if the configuration leaves the setting open.
    pub bound: Option<&'static str>,
}

impl GxSetting {
    /// The value in force, and its origin.
    pub fn text(&self) -> String {
        let Self { key, name, gx, .. } = self;
        let bound = self.bound.map(|bound| format!(", {bound}")).unwrap_or_default();
        match (&self.refused, &self.file) {
            (None, Some(file)) => format!("{key} = {gx} holds, from {name} on the GX; the configuration says {file}"),
            (None, None) => format!("{key} = {gx} holds, from {name} on the GX{bound}; the configuration does not set it"),
            (Some(why), Some(file)) => {
                format!("{name} = {gx} on the GX is refused: {why}. {key} = {file} of the configuration holds")
            }
            (Some(why), None) => format!("{name} = {gx} on the GX is refused: {why}. The default of {key} holds"),
        }
    }

    /// The remedy.
    pub fn remedy(&self) -> String {
        let back = format!("dbus -y com.victronenergy.settings {} SetValue %0.0", self.path);
        match &self.refused {
            None => format!("if that is not wanted, let the configuration decide: {back}"),
            Some(_) => format!("set another value on the GX, or let the configuration decide: {back}"),
        }
    }
}
