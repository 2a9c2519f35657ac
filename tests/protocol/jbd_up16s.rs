//! JBD UP16S: when the settings are read.

use dbus_bms::base::units::Volts;
use dbus_bms::bms::{Expected, jbd_up16s};
use dbus_bms::model::Reading;
use dbus_bms::recording::file::Recording;

#[test]
fn settings_are_read_again_now_and_then_and_a_slave_is_seldom_asked_for_them() {
    let values = Recording::parse("values", include_str!("../vectors/jbd-up16s/master-of-two-values.json")).unwrap();
    let settings = Recording::parse("settings", include_str!("../vectors/jbd-up16s/master-settings.json")).unwrap();
    for answers in [true, false] {
        let mut protocol = (jbd_up16s::DRIVER.new)(Some(1));
        let mut known = Reading::new("jbd-up16s", Some(1));
        known.cell_count = Some(16);
        let mut asked = 0;
        for _ in 0..240 {
            let plan = protocol.plan(&known);
            let values_of = |recording: &Recording| recording.received();
            protocol.decode(Expected::Any, &values_of(&values), &mut known).unwrap();
            if plan.iter().any(|request| request.bytes.get(2) == Some(&0x18)) {
                asked += 1;
                if answers {
                    protocol.decode(Expected::Any, &values_of(&settings), &mut known).unwrap();
                }
            }
        }
        assert_eq!(known.settings.cell_ovp, answers.then(|| Volts::new(3.65)));
        assert!((4..=12).contains(&asked), "{asked} times in 240 readings, with answers: {answers}");
    }
}
