import QtQuick

ListSetting {
	id: root

	readonly property alias dataItem: dataItem
	property string secondaryText: dataItem.valid ? dataItem.value : ""

	contentItem: ItemRow {
		row: root

		Label {
			text: root.secondaryText
			color: Theme.color_font_secondary
			font.pixelSize: Theme.font_listItem_secondary_size
		}
	}

	VeQuickItem { id: dataItem }
}
