//! Settings of the temperature sensors.

/// Settings of the temperature sensors, which are numbered from 1 in the BMS's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SensorConfig {
    /// Names.
    pub names: SensorNames,
    /// Corrections in °C, sensor 1 first, added to what a sensor measures; missing: 0.
    pub offsets: Vec<f64>,
    /// Numbers of the ignored sensors: they are shown, but limit nothing and raise no alarm here.
    pub ignored: Vec<u8>,
    /// Correction of the MOSFET temperature in °C.
    pub mos_offset: f64,
}

/// Names of the temperature sensors, sensor 1 first; an empty or missing one is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SensorNames(pub Vec<String>);

impl SensorConfig {
    /// The name of the sensor at this index, counted from 0.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.0.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(crate) fn offset(&self, index: usize) -> f64 {
        self.offsets.get(index).copied().unwrap_or(0.0)
    }

    /// Indices of the ignored ones among `fitted` sensors. A battery is never left without a temperature limit: if the owner
    /// ignores every sensor, all of them count.
    pub(crate) fn ignored_of(&self, fitted: usize) -> Vec<usize> {
        let is_ignored = |index: &usize| self.ignored.iter().any(|number| usize::from(*number) == index.saturating_add(1));
        let ignored: Vec<usize> = (0..fitted).filter(is_ignored).collect();
        if ignored.len() == fitted { Vec::new() } else { ignored }
    }

    /// The corrected temperatures of the sensors that count.
    pub(super) fn counting(&self, measured: &[f64]) -> Vec<f64> {
        let ignored = self.ignored_of(measured.len());
        let counting = measured.iter().enumerate().filter(|(index, _)| !ignored.contains(index));
        counting.map(|(index, degrees)| degrees + self.offset(index)).collect()
    }
}
