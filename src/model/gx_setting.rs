//! A setting that lies in the configuration and on the GX: which value holds, and what to do about it. Pure.

/// A setting of which the GX says something else than the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GxSetting {
    /// Its key in the configuration.
    pub key: &'static str,
    /// Its name on the GX.
    pub name: &'static str,
    /// Its path in `com.victronenergy.settings`.
    pub path: String,
    /// What the GX says.
    pub gx: String,
    /// What the configuration says; `None` where it does not set it.
    pub file: Option<String>,
    /// Why what the GX says is refused; `None`: it holds.
    pub refused: Option<String>,
}

impl GxSetting {
    /// Which value holds, and where it comes from.
    pub fn text(&self) -> String {
        let Self { key, name, gx, .. } = self;
        match (&self.refused, &self.file) {
            (None, Some(file)) => format!("{key} = {gx} holds, from {name} on the GX; the configuration says {file}"),
            (None, None) => format!("{key} = {gx} holds, from {name} on the GX; the configuration does not set it"),
            (Some(why), Some(file)) => {
                format!("{name} = {gx} on the GX is refused: {why}. {key} = {file} of the configuration holds")
            }
            (Some(why), None) => format!("{name} = {gx} on the GX is refused: {why}. The default of {key} holds"),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let back = format!("dbus -y com.victronenergy.settings {} SetValue %0.0", self.path);
        match &self.refused {
            None => format!("if that is not wanted, let the configuration decide: {back}"),
            Some(_) => format!("set another value on the GX, or let the configuration decide: {back}"),
        }
    }
}
