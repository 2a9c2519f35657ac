import QtQuick

FocusScope {
	property string title
	implicitWidth: Theme.geometry_screen_width
	implicitHeight: Theme.geometry_screen_height
}
