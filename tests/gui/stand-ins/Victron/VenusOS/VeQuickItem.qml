import QtQuick

QtObject {
	property string uid
	property int sourceUnit
	property int displayUnit
	readonly property var value: Bus.values[uid] ?? undefined
	readonly property bool valid: value !== undefined

	function setValue(value) {
		Bus.write(uid, value)
	}
}
