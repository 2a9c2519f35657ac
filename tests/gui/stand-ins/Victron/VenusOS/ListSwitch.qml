import QtQuick

ListSetting {
	id: root

	readonly property alias dataItem: dataItem
	property var valueTrue: 1
	property var valueFalse: 0
	property bool invertSourceValue
	property bool updateDataOnClick: true
	property bool checked: invertSourceValue ? dataItem.value === valueFalse : dataItem.value === valueTrue

	signal clicked

	contentItem: ItemRow {
		row: root

		Rectangle {
			width: 52
			height: 28
			radius: 14
			color: root.checked ? Theme.color_blue : "transparent"
			border.color: "#64635f"

			Rectangle {
				x: root.checked ? 26 : 2
				y: 2
				width: 24
				height: 24
				radius: 12
			}
		}
	}

	TapHandler {
		onTapped: {
			if (root.updateDataOnClick) {
				root.dataItem.setValue((root.checked !== root.invertSourceValue) ? root.valueFalse : root.valueTrue)
			}
			root.clicked()
		}
	}

	VeQuickItem { id: dataItem }
}
