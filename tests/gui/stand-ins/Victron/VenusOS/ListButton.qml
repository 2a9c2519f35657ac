import QtQuick

ListSetting {
	id: root

	property string secondaryText

	signal clicked

	contentItem: ItemRow {
		row: root

		Label {
			text: root.secondaryText
			color: Theme.color_lightBlue
			font.pixelSize: Theme.font_listItem_secondary_size
		}
	}

	TapHandler {
		onTapped: root.clicked()
	}
}
