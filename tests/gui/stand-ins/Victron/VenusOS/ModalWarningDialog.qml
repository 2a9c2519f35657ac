import QtQuick

Rectangle {
	id: root

	property string title
	property string description
	property int dialogDoneOptions

	signal accepted
	signal rejected

	anchors.centerIn: parent
	width: 624
	height: 368
	radius: 8
	color: "#141414"
	border.color: "#272622"

	Column {
		anchors.centerIn: parent
		width: parent.width - 48
		spacing: 16

		Label {
			text: "!"
			color: Theme.color_red
			font.pixelSize: 40
			anchors.horizontalCenter: parent.horizontalCenter
		}
		Label {
			width: parent.width
			text: root.title
			font.pixelSize: 28
			horizontalAlignment: Text.AlignHCenter
			wrapMode: Text.Wrap
		}
		Label {
			width: parent.width
			text: root.description
			font.pixelSize: 18
			horizontalAlignment: Text.AlignHCenter
			wrapMode: Text.Wrap
		}
		Row {
			anchors.horizontalCenter: parent.horizontalCenter
			spacing: 160

			Label { text: "Cancel" }
			Label { text: "OK" }
		}
	}
}
