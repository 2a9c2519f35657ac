import QtQuick

FocusScope {
	property bool preferredVisible: true
	default property alias _data: column.data
	implicitWidth: column.implicitWidth
	implicitHeight: column.implicitHeight

	Column {
		id: column
		width: parent.width
	}
}
