import QtQuick

ListSetting {
	id: root

	property QuantityObjectModel model

	contentItem: ItemRow {
		row: root

		Repeater {
			model: root.model.objects
			delegate: QuantityLabel {
				required property QuantityObject modelData
				value: modelData.object[modelData.key] ?? NaN
				unit: modelData.unit
				decimals: modelData.decimals
				font.pixelSize: Theme.font_listItem_secondary_size
			}
		}
	}
}
