pragma Singleton
import QtQuick

QtObject {
	property var dialogLayer
	readonly property var systemSettings: QtObject {
		readonly property string serviceUid: "dbus/com.victronenergy.settings"
		readonly property int temperatureUnit: VenusOS.Units_Temperature_Celsius
	}
	readonly property var pageManager: QtObject {
		function pushPage(url, properties) {
			Bus.pushed = Bus.pushed.concat([[url, properties.device.serviceUid]])
		}
	}
}
