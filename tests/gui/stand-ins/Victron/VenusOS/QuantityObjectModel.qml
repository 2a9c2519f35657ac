import QtQuick

QtObject {
	default property list<QuantityObject> objects
}
