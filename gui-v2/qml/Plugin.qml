pragma ComponentBehavior: Bound

import QtQuick
import Victron.VenusOS
import "Words.js" as Words

// Settings -> Integrations -> UI Plugins -> dbus-bms: the batteries with their ports, and links to their settings.
Page {
	id: root

	GradientListView {
		header: SettingsColumn {
			width: parent?.width ?? 0

			PrimaryListLabel {
				text: qsTrId("dbus_bms_about")
			}
		}

		model: FilteredDeviceModel {
			serviceTypes: ["battery"]
			sorting: FilteredDeviceModel.DeviceInstance
			childFilterIds: { "battery": ["ProductId"] }
			// BATTERY_PRODUCT_ID of the driver.
			childFilterFunction: (device, childItems) => childItems["ProductId"]?.value === 0xDB05
		}

		delegate: ListNavigation {
			id: battery

			required property Device device
			readonly property string service: battery.device.serviceUid

			text: battery.device.name
			secondaryText: qsTrId("dbus_bms_version").arg(version.value ?? "--")
			caption: [connection.value, Words.said(line.value)].filter((word) => !!word).join(" · ")
			onClicked: Global.pageManager.pushPage("qrc:/dbus-bms/BatterySettings.qml", { "device": battery.device })

			VeQuickItem { id: version; uid: battery.service + "/Mgmt/ProcessVersion" }
			VeQuickItem { id: connection; uid: battery.service + "/Mgmt/Connection" }
			VeQuickItem { id: line; uid: battery.service + "/ConnectionInformation" }
		}
	}
}
