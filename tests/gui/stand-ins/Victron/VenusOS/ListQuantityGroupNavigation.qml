import QtQuick

ListSetting {
	id: root

	property QuantityObjectModel quantityModel

	signal clicked

	contentItem: ItemRow {
		row: root

		Repeater {
			model: root.quantityModel.objects
			delegate: QuantityLabel {
				required property QuantityObject modelData
				value: modelData.object[modelData.key] ?? NaN
				unit: modelData.unit
				decimals: modelData.decimals
				font.pixelSize: Theme.font_listItem_secondary_size
			}
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
