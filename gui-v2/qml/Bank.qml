pragma ComponentBehavior: Bound

import QtQuick
import Victron.VenusOS
import "Words.js" as Words

// A bank and its packs; each links to its limits.
DeviceListPluginPage {
	id: root

	readonly property string service: root.device.serviceUid
	// Its serial number is "bank_" and the name of the bank in its members.
	readonly property string name: serial.valid ? serial.value.replace(/^bank_/, "") : ""

	title: qsTrId("dbus_bms_bank")

	VeQuickItem { id: serial; uid: root.service + "/Serial" }
	VeQuickItem { id: voltage; uid: root.service + "/Dc/0/Voltage" }
	VeQuickItem { id: current; uid: root.service + "/Dc/0/Current" }
	VeQuickItem { id: soc; uid: root.service + "/Soc" }
	VeQuickItem { id: cvl; uid: root.service + "/Info/MaxChargeVoltage" }
	VeQuickItem { id: ccl; uid: root.service + "/Info/MaxChargeCurrent" }
	VeQuickItem { id: dcl; uid: root.service + "/Info/MaxDischargeCurrent" }
	VeQuickItem { id: lowest; uid: root.service + "/System/MinCellVoltage" }
	VeQuickItem { id: lowestCell; uid: root.service + "/System/MinVoltageCellId" }
	VeQuickItem { id: highest; uid: root.service + "/System/MaxCellVoltage" }
	VeQuickItem { id: highestCell; uid: root.service + "/System/MaxVoltageCellId" }
	VeQuickItem { id: online; uid: root.service + "/System/NrOfModulesOnline" }
	VeQuickItem { id: offline; uid: root.service + "/System/NrOfModulesOffline" }

	GradientListView {
		header: SettingsColumn {
			width: parent?.width ?? 0

			ListQuantityGroup {
				text: qsTrId("dbus_bms_all_packs")
				caption: qsTrId("dbus_bms_online_offline").arg(online.value ?? "--").arg(offline.value ?? "--")
				model: QuantityObjectModel {
					QuantityObject { object: soc; unit: VenusOS.Units_Percentage }
					QuantityObject { object: voltage; unit: VenusOS.Units_Volt_DC }
					QuantityObject { object: current; unit: VenusOS.Units_Amp }
				}
			}
			ListQuantityGroup {
				text: qsTrId("dbus_bms_limits_short")
				model: QuantityObjectModel {
					QuantityObject { object: cvl; unit: VenusOS.Units_Volt_DC }
					QuantityObject { object: ccl; unit: VenusOS.Units_Amp }
					QuantityObject { object: dcl; unit: VenusOS.Units_Amp }
				}
			}
			SettingsListHeader {
				text: qsTrId("dbus_bms_packs")
			}
		}

		model: FilteredDeviceModel {
			serviceTypes: ["battery"]
			sorting: FilteredDeviceModel.DeviceInstance
			childFilterIds: { "battery": ["ProductId"] }
			// BATTERY_PRODUCT_ID of the driver.
			childFilterFunction: (device, childItems) => childItems["ProductId"]?.value === 0xDB05
		}

		delegate: ListQuantityGroupNavigation {
			id: pack

			required property Device device
			readonly property string service: pack.device.serviceUid

			// In the same process as its bank a pack does not publish its bank, and no limits.
			preferredVisible: packBank.valid ? packBank.value === root.name : !packLimit.valid
			text: pack.device.name
			caption: [
				packLowest.valid && packHighest.valid
						? qsTrId("dbus_bms_pack_cells").arg(packLowest.value.toFixed(3)).arg(packHighest.value.toFixed(3)) : "",
				Words.said(packLine.value),
			].filter((part) => part !== "").join(" · ")
			quantityModel: QuantityObjectModel {
				QuantityObject { object: packSoc; unit: VenusOS.Units_Percentage }
				QuantityObject { object: packVoltage; unit: VenusOS.Units_Volt_DC }
				QuantityObject { object: packCurrent; unit: VenusOS.Units_Amp }
			}
			onClicked: Global.pageManager.pushPage("qrc:/dbus-bms/Limits.qml", { "device": pack.device })

			VeQuickItem { id: packBank; uid: pack.service + "/Bank/Name" }
			VeQuickItem { id: packLimit; uid: pack.service + "/Info/MaxChargeCurrent" }
			VeQuickItem { id: packSoc; uid: pack.service + "/Soc" }
			VeQuickItem { id: packVoltage; uid: pack.service + "/Dc/0/Voltage" }
			VeQuickItem { id: packCurrent; uid: pack.service + "/Dc/0/Current" }
			VeQuickItem { id: packLowest; uid: pack.service + "/System/MinCellVoltage" }
			VeQuickItem { id: packHighest; uid: pack.service + "/System/MaxCellVoltage" }
			VeQuickItem { id: packLine; uid: pack.service + "/ConnectionInformation" }
		}

		footer: SettingsColumn {
			width: parent?.width ?? 0

			ListQuantity {
				text: qsTrId("dbus_bms_lowest_cell")
				caption: lowestCell.value ?? ""
				value: lowest.valid ? lowest.value : NaN
				preferredVisible: lowest.valid
				unit: VenusOS.Units_Volt_DC
				decimals: 3
			}
			ListQuantity {
				text: qsTrId("dbus_bms_highest_cell")
				caption: highestCell.value ?? ""
				value: highest.valid ? highest.value : NaN
				preferredVisible: highest.valid
				unit: VenusOS.Units_Volt_DC
				decimals: 3
			}
		}
	}
}
