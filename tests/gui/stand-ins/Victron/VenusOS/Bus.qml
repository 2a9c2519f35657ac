pragma Singleton
import QtQuick

// Stand-in for D-Bus: values by uid, and a record of writes.
QtObject {
	property var values: ({})
	property var services: []
	property var written: []
	property var pushed: []

	function write(uid, value) {
		written = written.concat([[uid, value]])
	}
}
