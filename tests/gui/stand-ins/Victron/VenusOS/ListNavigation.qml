import QtQuick

ListSetting {
	id: root

	property string secondaryText

	signal clicked

	contentItem: ItemRow {
		row: root

		Label {
			text: root.secondaryText
			color: Theme.color_font_secondary
		}
		Label {
			text: ">"
			color: Theme.color_font_secondary
		}
	}

	TapHandler {
		onTapped: root.clicked()
	}
}
