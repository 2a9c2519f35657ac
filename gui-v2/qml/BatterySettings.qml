pragma ComponentBehavior: Bound

import QtQuick
import Victron.VenusOS

// The charge settings that the driver reads from the GX (docs/live-settings.md).
DeviceListPluginPage {
	id: root

	readonly property string service: root.device.serviceUid
	readonly property string settings: group.valid
			? Global.systemSettings.serviceUid + "/Settings/Devices/" + group.value : ""

	title: qsTrId("dbus_bms_settings")

	VeQuickItem { id: group; uid: root.service + "/Settings/Device" }

	component Setting : ListQuantityField {
		required property string key

		dataItem.uid: root.settings === "" ? "" : root.settings + "/" + key
		preferredVisible: root.settings !== "" && dataItem.valid
		caption: dataItem.value === 0 ? qsTrId("dbus_bms_as_in_file") : ""
	}

	GradientListView {
		model: VisibleItemModel {
			PrimaryListLabel {
				text: group.valid ? qsTrId("dbus_bms_settings_note") : qsTrId("dbus_bms_no_settings")
			}
			Setting {
				key: "MaxChargeCurrent"
				text: qsTrId("dbus_bms_max_charge_current")
				unit: VenusOS.Units_Amp
				decimals: 1
			}
			Setting {
				key: "MaxDischargeCurrent"
				text: qsTrId("dbus_bms_max_discharge_current")
				unit: VenusOS.Units_Amp
				decimals: 1
			}
			Setting {
				key: "MaxCellVoltage"
				text: qsTrId("dbus_bms_max_cell_voltage")
				unit: VenusOS.Units_Volt_DC
				decimals: 3
			}
			Setting {
				key: "FloatCellVoltage"
				text: qsTrId("dbus_bms_float_cell_voltage")
				unit: VenusOS.Units_Volt_DC
				decimals: 3
			}
			Setting {
				key: "TimeToGoSocFloor"
				text: qsTrId("dbus_bms_time_to_go_floor")
				unit: VenusOS.Units_Percentage
				decimals: 0
			}
			ListText {
				text: qsTrId("dbus_bms_from_gx")
				caption: dataItem.value ?? ""
				secondaryText: ""
				dataItem.uid: root.service + "/Info/GxSettings"
				preferredVisible: dataItem.valid
			}
		}
	}
}
