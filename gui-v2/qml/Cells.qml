pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Layouts
import Victron.VenusOS

// Every cell with its position between the lowest and the highest, and the temperatures.
DeviceListPluginPage {
	id: root

	readonly property string service: root.device.serviceUid
	readonly property real spread: lowest.valid && highest.valid ? highest.value - lowest.value : NaN

	title: qsTrId("dbus_bms_cells")

	VeQuickItem { id: cellCount; uid: root.service + "/System/NrOfCellsPerBattery" }
	VeQuickItem { id: lowest; uid: root.service + "/System/MinCellVoltage" }
	VeQuickItem { id: highest; uid: root.service + "/System/MaxCellVoltage" }
	VeQuickItem { id: lowestCell; uid: root.service + "/System/MinVoltageCellId" }
	VeQuickItem { id: highestCell; uid: root.service + "/System/MaxVoltageCellId" }
	VeQuickItem { id: difference; uid: root.service + "/Voltages/Diff" }
	VeQuickItem { id: sum; uid: root.service + "/Voltages/Sum" }
	VeQuickItem { id: name1; uid: root.service + "/System/Temperature1Name" }
	VeQuickItem { id: name2; uid: root.service + "/System/Temperature2Name" }
	VeQuickItem { id: name3; uid: root.service + "/System/Temperature3Name" }
	VeQuickItem { id: name4; uid: root.service + "/System/Temperature4Name" }

	GradientListView {
		// While the number is unknown: as many as there are paths, up to 32, the maximum of most boards.
		model: cellCount.valid ? Math.min(cellCount.value, 64) : 32

		header: SettingsColumn {
			width: parent?.width ?? 0

			ListQuantityGroup {
				text: qsTrId("dbus_bms_difference")
				model: QuantityObjectModel {
					QuantityObject { object: difference; unit: VenusOS.Units_Volt_DC; decimals: 3 }
				}
			}
			ListQuantityGroup {
				text: qsTrId("dbus_bms_lowest_highest_sum")
				model: QuantityObjectModel {
					QuantityObject { object: lowest; unit: VenusOS.Units_Volt_DC; decimals: 3 }
					QuantityObject { object: highest; unit: VenusOS.Units_Volt_DC; decimals: 3 }
					QuantityObject { object: sum; unit: VenusOS.Units_Volt_DC; decimals: 2 }
				}
			}
		}

		delegate: ListItem {
			id: row

			required property int index
			readonly property int number: index + 1
			readonly property bool isLowest: lowestCell.value === "C" + number
			readonly property bool isHighest: highestCell.value === "C" + number

			preferredVisible: voltage.valid

			contentItem: RowLayout {
				spacing: Theme.geometry_listItem_content_spacing

				Label {
					text: qsTrId("dbus_bms_cell").arg(row.number)
					font: row.font
					Layout.preferredWidth: 110
				}

				Item {
					Layout.fillWidth: true
					Layout.preferredHeight: 8

					Rectangle {
						anchors.fill: parent
						radius: height / 2
						color: Theme.color_background_disabled
					}
					// From a stub for the lowest to the full length for the highest; a spread under 5 mV is drawn small.
					Rectangle {
						readonly property real share: isNaN(root.spread) || !voltage.valid ? 0
								: (voltage.value - lowest.value) / Math.max(root.spread, 0.005)

						width: parent.width * Math.min(1, Math.max(0, 0.08 + 0.92 * share))
						height: parent.height
						radius: height / 2
						color: row.isHighest ? Theme.color_orange : row.isLowest ? Theme.color_lightBlue : Theme.color_blue
					}
				}

				Label {
					text: [
						row.isLowest ? qsTrId("dbus_bms_lowest") : "",
						row.isHighest ? qsTrId("dbus_bms_highest") : "",
						balancing.value === 1 ? qsTrId("dbus_bms_balances") : "",
					].filter((word) => word !== "").join(", ")
					color: Theme.color_font_secondary
					font.pixelSize: Theme.font_listItem_caption_size
					elide: Text.ElideRight
					horizontalAlignment: Text.AlignRight
					Layout.preferredWidth: 190
				}

				QuantityLabel {
					value: voltage.valid ? voltage.value : NaN
					unit: VenusOS.Units_Volt_DC
					decimals: 3
					font.pixelSize: Theme.font_listItem_secondary_size
					Layout.alignment: Qt.AlignRight
					Layout.preferredWidth: 100
				}
			}

			VeQuickItem { id: voltage; uid: root.service + "/Voltages/Cell" + row.number }
			VeQuickItem { id: balancing; uid: root.service + "/Balances/Cell" + row.number }
		}

		footer: SettingsColumn {
			width: parent?.width ?? 0

			PrimaryListLabel {
				text: qsTrId("dbus_bms_no_cells")
				preferredVisible: !lowest.valid
			}
			ListTemperature {
				text: name1.valid ? name1.value : qsTrId("dbus_bms_sensor").arg(1)
				dataItem.uid: root.service + "/System/Temperature1"
				preferredVisible: dataItem.valid
			}
			ListTemperature {
				text: name2.valid ? name2.value : qsTrId("dbus_bms_sensor").arg(2)
				dataItem.uid: root.service + "/System/Temperature2"
				preferredVisible: dataItem.valid
			}
			ListTemperature {
				text: name3.valid ? name3.value : qsTrId("dbus_bms_sensor").arg(3)
				dataItem.uid: root.service + "/System/Temperature3"
				preferredVisible: dataItem.valid
			}
			ListTemperature {
				text: name4.valid ? name4.value : qsTrId("dbus_bms_sensor").arg(4)
				dataItem.uid: root.service + "/System/Temperature4"
				preferredVisible: dataItem.valid
			}
			ListTemperature {
				text: qsTrId("dbus_bms_mosfets")
				dataItem.uid: root.service + "/System/MOSTemperature"
				preferredVisible: dataItem.valid
			}
		}
	}
}
