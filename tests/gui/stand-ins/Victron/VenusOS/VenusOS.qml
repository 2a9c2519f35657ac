pragma Singleton
import QtQuick

// The numbers only have to differ.
QtObject {
	enum Units_Type { Units_None, Units_Amp, Units_Percentage, Units_Temperature_Celsius, Units_Volt_DC }
	enum ModalDialog_DoneOptions { ModalDialog_DoneOptions_OkOnly = 2, ModalDialog_DoneOptions_OkAndCancel = 3 }

	function text(unit, value, decimals) {
		const suffix = ["", "A", "%", "°C", "V"][unit]
		const digits = decimals >= 0 ? decimals : [0, 1, 0, 0, 2][unit]
		return value === undefined || value === null || isNaN(value) ? "--" : Number(value).toFixed(digits) + suffix
	}
}
