import QtQuick
import QtQml.Models

ListModel {
	id: root

	enum SortFlag { Unsorted = 0, ServiceTypeOrder = 1, DeviceInstance = 2, Name = 4 }

	property list<string> serviceTypes
	property int sorting
	property var childFilterIds
	property var childFilterFunction

	readonly property Component _device: Component { Device {} }

	dynamicRoles: true

	Component.onCompleted: {
		for (const uid of Bus.services) {
			const device = _device.createObject(root, { serviceUid: uid })
			const children = {}
			for (const id of childFilterIds["battery"]) {
				children[id] = { value: Bus.values[uid + "/" + id] }
			}
			if (serviceTypes.includes("battery") && childFilterFunction(device, children)) {
				append({ device: device })
			}
		}
	}
}
