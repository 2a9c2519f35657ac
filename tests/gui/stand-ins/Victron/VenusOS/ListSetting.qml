import QtQuick

ListItem {
	property string text
	property string caption
	property bool interactive
}
