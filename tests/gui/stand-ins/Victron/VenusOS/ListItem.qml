import QtQuick

AbstractListItem {
	id: root

	property bool preferredVisible: true
	readonly property bool effectiveVisible: preferredVisible

	visible: preferredVisible
	width: parent?.width ?? Theme.geometry_screen_width
	implicitHeight: preferredVisible ? Math.max(Theme.geometry_listItem_height + bottomInset, implicitContentHeight + topPadding + bottomPadding) : 0
	leftInset: Theme.geometry_page_content_horizontalMargin
	rightInset: Theme.geometry_page_content_horizontalMargin
	bottomInset: Theme.geometry_gradientList_spacing
	leftPadding: leftInset + 24
	rightPadding: rightInset + 24
	topPadding: 12
	bottomPadding: bottomInset + 12
	font.pixelSize: Theme.font_listItem_primary_size
	font.family: "DejaVu Sans"

	background: Rectangle {
		color: Theme.color_listItem_background
		radius: 8
	}
}
