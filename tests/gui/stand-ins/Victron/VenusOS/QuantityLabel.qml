import QtQuick

Item {
	property real value
	property int unit
	property int decimals: -1
	property alias font: label.font
	property alias valueColor: label.color

	implicitWidth: label.implicitWidth
	implicitHeight: label.implicitHeight

	Label {
		id: label
		anchors.horizontalCenter: parent.horizontalCenter
		text: VenusOS.text(parent.unit, parent.value, parent.decimals)
	}
}
