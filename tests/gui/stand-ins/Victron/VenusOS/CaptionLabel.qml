import QtQuick

Label {
	font.pixelSize: Theme.font_listItem_caption_size
	color: Theme.color_font_secondary
	wrapMode: Text.Wrap
}
