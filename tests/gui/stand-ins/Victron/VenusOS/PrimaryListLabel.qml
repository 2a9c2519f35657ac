import QtQuick

Label {
	property bool preferredVisible: true

	width: parent ? parent.width : 0
	height: preferredVisible ? undefined : 0
	visible: preferredVisible
	topPadding: 12
	bottomPadding: 12
	leftPadding: 48
	rightPadding: 48
	wrapMode: Text.Wrap
}
