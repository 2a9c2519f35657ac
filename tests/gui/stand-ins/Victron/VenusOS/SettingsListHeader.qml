import QtQuick

Label {
	property bool preferredVisible: true

	height: preferredVisible ? undefined : 0
	visible: preferredVisible
	topPadding: 8
	bottomPadding: 6
	leftPadding: 48
	color: Theme.color_font_secondary
}
