import QtQuick
import Victron.VenusOS

// The frame of the GX's screen: the page's title, the page, and a layer for dialogs.
Rectangle {
	id: root

	property alias page: loader.item
	property Item dialog

	function show(url, properties) {
		close()
		loader.setSource(url, properties)
		return loader.status === Loader.Ready
	}

	function close() {
		dialog?.destroy()
		dialog = null
	}

	width: Theme.geometry_screen_width
	height: Theme.geometry_screen_height
	color: Theme.color_page_background

	Label {
		text: root.page?.title ?? ""
		anchors.horizontalCenter: parent.horizontalCenter
		y: 14
	}

	Loader {
		id: loader
		anchors.fill: parent
		anchors.topMargin: 48
	}

	Item {
		id: layer

		function open(component, properties) {
			root.dialog = component.createObject(layer, properties ?? {})
		}

		anchors.fill: parent
		Component.onCompleted: Global.dialogLayer = layer
	}
}
