import QtQuick

ListSetting {
	id: root

	readonly property alias dataItem: dataItem
	property string suffix
	property real from
	property real to

	contentItem: ItemRow {
		row: root

		Label {
			text: (root.dataItem.value ?? "--") + root.suffix
			color: Theme.color_lightBlue
			font.pixelSize: Theme.font_listItem_secondary_size
		}
	}

	VeQuickItem { id: dataItem }
}
