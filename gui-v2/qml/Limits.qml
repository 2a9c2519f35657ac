import QtQuick
import Victron.VenusOS
import "Words.js" as Words

// The limits for chargers and inverters, and the rule that sets each of them.
DeviceListPluginPage {
	id: root

	readonly property string service: root.device.serviceUid
	// A member publishes its limits for its bank, other batteries for the whole system.
	readonly property bool member: bank.valid && !ownLimit.valid
	readonly property string limits: root.service + (root.member ? "/Bank" : "/Info")

	title: qsTrId("dbus_bms_limits")

	VeQuickItem { id: bank; uid: root.service + "/Bank/Name" }
	VeQuickItem { id: ownLimit; uid: root.service + "/Info/MaxChargeCurrent" }
	VeQuickItem { id: chargeMode; uid: root.service + "/Info/ChargeMode" }
	VeQuickItem { id: chargeLimitation; uid: root.service + "/Info/ChargeLimitation" }
	VeQuickItem { id: dischargeLimitation; uid: root.service + "/Info/DischargeLimitation" }
	VeQuickItem { id: voltage; uid: root.service + "/Dc/0/Voltage" }
	VeQuickItem { id: current; uid: root.service + "/Dc/0/Current" }
	VeQuickItem { id: soc; uid: root.service + "/Soc" }

	GradientListView {
		model: VisibleItemModel {
			ListText {
				text: qsTrId("dbus_bms_phase")
				secondaryText: Words.phase(chargeMode.value)
				preferredVisible: chargeMode.valid
			}
			ListQuantityGroup {
				text: qsTrId("dbus_bms_now")
				model: QuantityObjectModel {
					QuantityObject { object: voltage; unit: VenusOS.Units_Volt_DC }
					QuantityObject { object: current; unit: VenusOS.Units_Amp }
					QuantityObject { object: soc; unit: VenusOS.Units_Percentage }
				}
			}
			PrimaryListLabel {
				text: qsTrId("dbus_bms_member_of").arg(bank.value ?? "")
				preferredVisible: root.member
			}
			ListQuantity {
				text: qsTrId("dbus_bms_cvl")
				caption: Words.after_phase(chargeMode.value)
				dataItem.uid: root.limits + "/MaxChargeVoltage"
				preferredVisible: dataItem.valid
				unit: VenusOS.Units_Volt_DC
				decimals: 2
			}
			ListQuantity {
				text: qsTrId("dbus_bms_ccl")
				caption: Words.said(chargeLimitation.value)
				dataItem.uid: root.limits + "/MaxChargeCurrent"
				preferredVisible: dataItem.valid
				unit: VenusOS.Units_Amp
				decimals: 1
			}
			ListQuantity {
				text: qsTrId("dbus_bms_dcl")
				caption: Words.said(dischargeLimitation.value)
				dataItem.uid: root.limits + "/MaxDischargeCurrent"
				preferredVisible: dataItem.valid
				unit: VenusOS.Units_Amp
				decimals: 1
			}
			// An observe-only battery publishes no limits, but shows those that it would set.
			PrimaryListLabel {
				text: [chargeMode.value, chargeLimitation.value, dischargeLimitation.value].map(Words.said).join("\n")
				preferredVisible: chargeMode.valid && !bank.valid && !ownLimit.valid
			}
			ListQuantity {
				text: qsTrId("dbus_bms_cell_cvl")
				dataItem.uid: root.service + "/Info/MaxChargeCellVoltage"
				preferredVisible: dataItem.valid
				unit: VenusOS.Units_Volt_DC
				decimals: 3
			}
			ListQuantity {
				text: qsTrId("dbus_bms_low_voltage")
				dataItem.uid: root.service + "/Info/BatteryLowVoltage"
				preferredVisible: dataItem.valid
				unit: VenusOS.Units_Volt_DC
				decimals: 2
			}
			ListText {
				text: qsTrId("dbus_bms_from_gx")
				caption: dataItem.value ?? ""
				secondaryText: ""
				dataItem.uid: root.service + "/Info/GxSettings"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_overrides")
				caption: dataItem.value ?? ""
				secondaryText: ""
				dataItem.uid: root.service + "/Commands/Overrides"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_last_full")
				secondaryText: qsTrId("dbus_bms_ago").arg(Words.span(dataItem.value))
				dataItem.uid: root.service + "/History/TimeSinceLastFullCharge"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_line")
				secondaryText: Words.said(dataItem.value)
				dataItem.uid: root.service + "/ConnectionInformation"
				preferredVisible: dataItem.valid
			}
		}
	}
}
