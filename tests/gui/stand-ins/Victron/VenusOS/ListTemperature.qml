ListQuantity {
	unit: Global.systemSettings.temperatureUnit
}
