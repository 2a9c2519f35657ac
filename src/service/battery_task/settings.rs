//! Settings of a battery: those of the configuration file, overridden by those of the GX.

use super::names::BatteryNames;
use crate::battery::soc;
use crate::config::{Config, DbusValue, Settings};
use crate::dbus::{Context, GxSettingValues};
use crate::model::GxSetting;
use crate::service::gx_settings;

/// Sources of a battery's settings, and the effective settings of its SoC.
pub(super) struct BatterySettings {
    file: Config,
    port: String,
    gx: GxSettingValues,
    soc: soc::Config,
    external: (Option<DbusValue>, Option<DbusValue>),
}

impl BatterySettings {
    /// The settings of the file for the battery `id` on `port`; also returns all effective settings.
    pub(super) fn new(file: &Config, port: &str, id: &str) -> (Self, Settings) {
        let settings = file.settings(Some(port), Some(id));
        let (file, port) = (file.clone(), port.to_owned());
        let external = (settings.external.current.clone(), settings.external.soc.clone());
        (Self { file, port, gx: GxSettingValues::default(), soc: settings.soc.clone(), external }, settings)
    }

    /// Applies the settings of the GX. Returns the effective settings and the differences between GX and file; `None` if unchanged.
    pub(super) fn change(&mut self, gx: GxSettingValues, names: &BatteryNames) -> Option<(Settings, Vec<GxSetting>)> {
        if self.gx == gx {
            return None;
        }
        self.gx = gx;
        let (settings, differing) = gx_settings::in_force(&self.file, &self.port, names.id(), &gx);
        for setting in &differing {
            let level = if setting.refused.is_none() { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "{}: {}; {}", names.label(), setting.text(), setting.remedy());
        }
        if differing.is_empty() {
            log::info!("{}: GX settings match the configuration again", names.label());
        }
        self.soc = settings.soc.clone();
        Some((settings, differing))
    }

    /// Current and SoC of other devices that replace the BMS's.
    pub(super) fn external(&self) -> (Option<DbusValue>, Option<DbusValue>) {
        self.external.clone()
    }

    /// Adds the facts about the shown SoC to `context`.
    pub(super) fn complete(&self, context: Context) -> Context {
        Context {
            own_soc: self.soc.is_own(),
            counted_soc: self.soc.source == soc::Source::Counted,
            soc_levels: self.soc.levels.clone(),
            ..context
        }
    }
}
