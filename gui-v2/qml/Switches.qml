pragma ComponentBehavior: Bound

import QtQuick
import Victron.VenusOS

// The switches of the BMS, if commands are enabled. Every change must be confirmed before it is sent.
DeviceListPluginPage {
	id: root

	readonly property string service: root.device.serviceUid

	title: qsTrId("dbus_bms_switches")

	// On means "not switched off through this driver". It changes once the BMS has confirmed it.
	component BmsSwitch : ListSwitch {
		id: control

		required property string warning

		updateDataOnClick: false
		invertSourceValue: true
		preferredVisible: dataItem.valid
		onClicked: Global.dialogLayer.open(confirmation, { turnsOff: checked })

		Component {
			id: confirmation

			ModalWarningDialog {
				// Sets the confirmed state, even if the switch was changed elsewhere meanwhile.
				required property bool turnsOff

				title: (turnsOff ? qsTrId("dbus_bms_ask_off") : qsTrId("dbus_bms_ask_on")).arg(control.text)
				description: turnsOff ? control.warning : qsTrId("dbus_bms_protections_stay")
				dialogDoneOptions: VenusOS.ModalDialog_DoneOptions_OkAndCancel
				onAccepted: control.dataItem.setValue(turnsOff ? 1 : 0)
			}
		}
	}

	GradientListView {
		model: VisibleItemModel {
			PrimaryListLabel {
				text: qsTrId("dbus_bms_no_commands")
				preferredVisible: !charging.dataItem.valid && !discharging.dataItem.valid && !balancing.dataItem.valid
						&& !socTarget.dataItem.valid
			}
			BmsSwitch {
				id: charging
				text: qsTrId("dbus_bms_charging")
				warning: qsTrId("dbus_bms_charging_off")
				dataItem.uid: root.service + "/Settings/ForceChargingOff"
			}
			BmsSwitch {
				id: discharging
				text: qsTrId("dbus_bms_discharging")
				warning: qsTrId("dbus_bms_discharging_off")
				dataItem.uid: root.service + "/Settings/ForceDischargingOff"
			}
			BmsSwitch {
				id: balancing
				text: qsTrId("dbus_bms_balancing")
				warning: qsTrId("dbus_bms_balancing_off")
				dataItem.uid: root.service + "/Settings/TurnBalancingOff"
			}
			ListSpinBox {
				id: socTarget
				text: qsTrId("dbus_bms_soc_to_set")
				dataItem.uid: root.service + "/Settings/ResetSocTo"
				preferredVisible: dataItem.valid
				suffix: " %"
				from: 0
				to: 100
			}
			ListButton {
				text: qsTrId("dbus_bms_set_soc")
				secondaryText: qsTrId("dbus_bms_set")
				preferredVisible: socApply.valid
				onClicked: Global.dialogLayer.open(confirmSoc)

				Component {
					id: confirmSoc

					ModalWarningDialog {
						title: qsTrId("dbus_bms_ask_soc").arg(socTarget.dataItem.value)
						description: qsTrId("dbus_bms_soc_note")
						dialogDoneOptions: VenusOS.ModalDialog_DoneOptions_OkAndCancel
						onAccepted: socApply.setValue(1)
					}
				}
				VeQuickItem { id: socApply; uid: root.service + "/Settings/ResetSocToApply" }
			}
			ListText {
				text: qsTrId("dbus_bms_switched_off")
				caption: dataItem.value ?? ""
				secondaryText: ""
				dataItem.uid: root.service + "/Commands/SwitchedOff"
				preferredVisible: dataItem.valid
			}
			SettingsListHeader {
				text: qsTrId("dbus_bms_as_it_is")
			}
			ListText {
				text: qsTrId("dbus_bms_may_charge")
				secondaryText: dataItem.value === 1 ? qsTrId("dbus_bms_yes") : qsTrId("dbus_bms_no")
				dataItem.uid: root.service + "/Io/AllowToCharge"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_may_discharge")
				secondaryText: dataItem.value === 1 ? qsTrId("dbus_bms_yes") : qsTrId("dbus_bms_no")
				dataItem.uid: root.service + "/Io/AllowToDischarge"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_may_balance")
				secondaryText: dataItem.value === 1 ? qsTrId("dbus_bms_yes") : qsTrId("dbus_bms_no")
				dataItem.uid: root.service + "/Io/AllowToBalance"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_balances_now")
				secondaryText: dataItem.value === 1 ? qsTrId("dbus_bms_yes") : qsTrId("dbus_bms_no")
				dataItem.uid: root.service + "/Balancing"
				preferredVisible: dataItem.valid
			}
			ListText {
				text: qsTrId("dbus_bms_heats_now")
				secondaryText: qsTrId("dbus_bms_yes")
				dataItem.uid: root.service + "/Heating"
				preferredVisible: dataItem.value === 1
			}
		}
	}
}
