import QtQuick

QtObject {
	property QtObject object
	property string key: "value"
	property int unit
	property int decimals: -1
}
