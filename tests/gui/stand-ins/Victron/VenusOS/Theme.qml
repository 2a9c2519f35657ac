pragma Singleton
import QtQuick

// As on the five-inch screen, dark.
QtObject {
	readonly property color color_font_primary: "#ffffff"
	readonly property color color_font_secondary: "#969591"
	readonly property color color_page_background: "#000000"
	readonly property color color_background_disabled: "#272622"
	readonly property color color_listItem_background: "#141414"
	readonly property color color_blue: "#387dc5"
	readonly property color color_lightBlue: "#73a2d3"
	readonly property color color_orange: "#f0962e"
	readonly property color color_red: "#f35c58"
	readonly property int font_listItem_primary_size: 22
	readonly property int font_listItem_secondary_size: 22
	readonly property int font_listItem_caption_size: 18
	readonly property int geometry_screen_width: 800
	readonly property int geometry_screen_height: 480
	readonly property int geometry_listItem_height: 48
	readonly property int geometry_listItem_content_spacing: 12
	readonly property int geometry_page_content_horizontalMargin: 24
	readonly property int geometry_gradientList_spacing: 4
}
