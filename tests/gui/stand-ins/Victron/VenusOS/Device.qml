import QtQuick

QtObject {
	id: root

	property string serviceUid
	readonly property int productId: product.value ?? 0
	readonly property string name: (customName.value || productName.value) ?? ""

	readonly property VeQuickItem _product: VeQuickItem { id: product; uid: root.serviceUid + "/ProductId" }
	readonly property VeQuickItem _customName: VeQuickItem { id: customName; uid: root.serviceUid + "/CustomName" }
	readonly property VeQuickItem _productName: VeQuickItem { id: productName; uid: root.serviceUid + "/ProductName" }
}
