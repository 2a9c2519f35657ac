import QtQuick

ListSetting {
	id: root

	readonly property alias dataItem: dataItem
	property real value: dataItem.valid ? dataItem.value : NaN
	property int unit
	property int decimals: -1

	contentItem: ItemRow {
		row: root

		Rectangle {
			width: 200
			height: 34
			radius: 6
			color: "transparent"
			border.color: Theme.color_blue

			QuantityLabel {
				anchors.centerIn: parent
				value: root.value
				unit: root.unit
				decimals: root.decimals
				font.pixelSize: Theme.font_listItem_secondary_size
			}
		}
	}

	VeQuickItem { id: dataItem }
}
