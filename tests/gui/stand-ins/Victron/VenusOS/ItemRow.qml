import QtQuick
import QtQuick.Layouts

// Text and caption on the left, a value or control on the right.
GridLayout {
	id: root

	property ListSetting row
	default property alias content: place.data

	columns: 2
	rowSpacing: 4

	Label {
		text: root.row.text
		font: root.row.font
		wrapMode: Text.Wrap
		Layout.fillWidth: true
	}
	Row {
		id: place
		spacing: 24
		Layout.alignment: Qt.AlignRight
	}
	CaptionLabel {
		text: root.row.caption
		visible: text.length > 0
		Layout.columnSpan: 2
		Layout.fillWidth: true
	}
}
